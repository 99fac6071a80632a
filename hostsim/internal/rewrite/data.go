package rewrite

import "fmt"

const (
	// maxImage is the largest initial memory image, in bytes, that is merged.
	maxImage = 64 << 20
	// mergeGap is the shortest run of zeros, in bytes, that is worth a segment of its own.
	mergeGap = 4096
)

// mergeData lays all segments into one image of memory, in order, and cuts that at
// long runs of zeros only.
func mergeData(body []byte, rep *Report) ([]byte, error) {
	r := reader{b: body}
	var image []byte
	n := r.uleb()
	for range n {
		kind, opcode := r.byte(), r.byte()
		at := r.sleb()
		end := r.byte()
		data := r.take(r.uleb())
		if r.bad || kind != 0 || opcode != opI32Const || end != opEnd {
			return nil, fmt.Errorf("%w: a segment is not active at a constant offset", ErrModule)
		}
		at &= 1<<32 - 1
		if at+int64(len(data)) > maxImage {
			return nil, fmt.Errorf("%w: image above %d bytes", ErrModule, maxImage)
		}
		if need := int(at) + len(data); need > len(image) {
			image = append(image, make([]byte, need-len(image))...)
		}
		copy(image[at:], data)
	}
	if !r.done() || r.bad {
		return nil, fmt.Errorf("%w: trailing bytes", ErrModule)
	}
	runs := nonZeroRuns(image)
	out := appendUleb(make([]byte, 0, len(image)+16*len(runs)), uint64(len(runs)))
	for _, run := range runs {
		out = append(out, 0, opI32Const)
		out = appendSleb(out, int64(int32(uint32(run.from))))
		out = append(out, opEnd)
		out = appendUleb(out, uint64(run.to-run.from))
		out = append(out, image[run.from:run.to]...)
	}
	rep.SegmentsBefore, rep.SegmentsAfter = int(n), len(runs)
	return out, nil
}

type span struct{ from, to int }

func nonZeroRuns(image []byte) []span {
	var out []span
	for i := 0; i < len(image); {
		if image[i] == 0 {
			i++
			continue
		}
		run := span{i, i + 1}
		for i = run.to; i < len(image) && i-run.to < mergeGap; i++ {
			if image[i] != 0 {
				run.to = i + 1
			}
		}
		out = append(out, run)
	}
	return out
}
