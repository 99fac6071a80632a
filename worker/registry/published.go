package registry

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/grantway/grantway/worker/platform"
)

// The catalogue holds every record. As long as it is small it is one value under kvCatalog:
// a first line `SEQ COUNT`, then a line per server, ordered by id: `SERVER_ID VERSION
// STORED_RECORD`. A reader that has a record of this version need not decode the line.
//
// A larger one is in parts, each under KVPart and the id at which its range begins ("-":
// the first). A part's first line is `SEQ COUNT NEXT`, NEXT being where the next part begins,
// or "-". What stands under kvCatalog is then the root: a line `parts COUNT`, and for each
// part `START SEQ`. KV shows writes in any order and late; a reader that finds a part which
// was split since follows NEXT, and one that covers more than the root says is used as it
// is: what a reader puts together is never anything but whole, only old.

// CatalogPart is the servers of a range of ids, or a root's mention of it.
type CatalogPart struct {
	Start, Next string // "": the first, the last
	Seq         int64  // of the Directory
	count       int
	lines       bytes.Buffer
}

// Add adds a server to the part; stored is what Encode answers.
func (p *CatalogPart) Add(id string, stored []byte) error {
	var v struct {
		Version int64 `json:"version"`
	}
	if err := json.Unmarshal(stored, &v); err != nil {
		return fmt.Errorf("registry: stored record: %w", err)
	}
	p.count++
	p.lines.WriteString(id + " " + strconv.FormatInt(v.Version, 10) + " ")
	p.lines.Write(stored)
	p.lines.WriteByte('\n')
	return nil
}

func (p *CatalogPart) encode(next string) []byte {
	head := strconv.FormatInt(p.Seq, 10) + " " + strconv.Itoa(p.count) + next + "\n"
	return append([]byte(head), p.lines.Bytes()...)
}

// none stands for the start of the first part and the end of the last one.
const none = "-"

// PartName is what a part that begins at this id has after KVPart.
func PartName(start string) string { return cmp.Or(start, none) }

// PublishCatalog writes a catalogue of one part to KV CONFIG.
func PublishCatalog(ctx context.Context, kv platform.KV, p *CatalogPart) error {
	return kv.Put(ctx, kvCatalog, p.encode(""), 0)
}

// PublishPart writes one part of several.
func PublishPart(ctx context.Context, kv platform.KV, p *CatalogPart) error {
	return kv.Put(ctx, KVPart+PartName(p.Start), p.encode(" "+PartName(p.Next)), 0)
}

// UnpublishPart removes a part that no root names any more.
func UnpublishPart(ctx context.Context, kv platform.KV, start string) error {
	return kv.Delete(ctx, KVPart+PartName(start))
}

// PublishRoot writes the root of a catalogue of these parts.
func PublishRoot(ctx context.Context, kv platform.KV, parts []CatalogPart) error {
	b := []byte(rootHead + strconv.Itoa(len(parts)) + "\n")
	for i := range parts {
		b = fmt.Appendf(b, "%s %d\n", PartName(parts[i].Start), parts[i].Seq)
	}
	return kv.Put(ctx, kvCatalog, b, 0)
}

const rootHead = "parts "

// maxParts bounds what a root may name.
const maxParts = 10000

var errCatalog = errors.New("registry: malformed catalogue")

// part is a part of the catalogue as it was read.
type part struct {
	start, next string
	seq         int64
	recs        []*Record
}

// decodeRoot answers the parts that a root names; nil if b is no root but the
// catalogue itself.
func decodeRoot(b []byte) ([]part, error) {
	rest, ok := bytes.CutPrefix(b, []byte(rootHead))
	if !ok {
		return nil, nil
	}
	head, rest, _ := bytes.Cut(rest, []byte{'\n'})
	n, err := strconv.Atoi(string(head))
	if err != nil || n < 1 || n > maxParts {
		return nil, errCatalog
	}
	parts := make([]part, 0, min(n, len(rest)))
	for line := range strings.Lines(string(rest)) {
		start, seq, _ := strings.Cut(strings.TrimSuffix(line, "\n"), " ")
		p := part{start: strings.TrimPrefix(start, none)}
		if p.seq, err = strconv.ParseInt(seq, 10, 64); err != nil || (len(parts) == 0) != (p.start == "") || len(parts) > 0 && p.start <= parts[len(parts)-1].start {
			return nil, errCatalog
		}
		parts = append(parts, p)
	}
	if len(parts) != n {
		return nil, errCatalog
	}
	return parts, nil
}

// decodePart reads the part that begins at start. Records of have that are of the
// same version are taken from there.
func decodePart(start string, b []byte, have []*Record) (*part, error) {
	head, b, _ := bytes.Cut(b, []byte{'\n'})
	fields := strings.Split(string(head), " ")
	if len(fields) < 2 || len(fields) > 3 {
		return nil, errCatalog
	}
	p := &part{start: start}
	var err error
	if p.seq, err = strconv.ParseInt(fields[0], 10, 64); err != nil {
		return nil, errCatalog
	}
	count, err := strconv.Atoi(fields[1])
	if err != nil || count < 0 || count > len(b) {
		return nil, errCatalog
	}
	if len(fields) == 3 {
		if p.next = strings.TrimPrefix(fields[2], none); p.next != "" && p.next <= start {
			return nil, errCatalog
		}
	}
	known := map[string]*Record{}
	for _, r := range have {
		if r.ServerID >= start && (p.next == "" || r.ServerID < p.next) {
			known[r.ServerID] = r
		}
	}
	p.recs = make([]*Record, 0, count)
	for len(b) > 0 {
		var line []byte
		line, b, _ = bytes.Cut(b, []byte{'\n'})
		id, rest, ok := bytes.Cut(line, []byte{' '})
		v, doc, ok2 := bytes.Cut(rest, []byte{' '})
		version, err := strconv.ParseInt(string(v), 10, 64)
		if !ok || !ok2 || err != nil {
			return nil, errCatalog
		}
		r := known[string(id)]
		if r == nil || r.Version != version {
			if r, err = Decode(doc); err != nil {
				return nil, err
			}
		}
		p.recs = append(p.recs, r)
	}
	if len(p.recs) != count {
		return nil, errCatalog
	}
	return p, nil
}

// Publish writes a record to KV CONFIG under each of its references.
func Publish(ctx context.Context, kv platform.KV, rec *Record) error {
	b, err := Encode(rec)
	if err != nil {
		return err
	}
	for _, ref := range rec.Refs() {
		if err := kv.Put(ctx, KVServer+ref, b, 0); err != nil {
			return err
		}
	}
	return nil
}

// Unpublish removes references from KV CONFIG.
func Unpublish(ctx context.Context, kv platform.KV, refs []string) error {
	for _, ref := range refs {
		if err := kv.Delete(ctx, KVServer+ref); err != nil {
			return err
		}
	}
	return nil
}
