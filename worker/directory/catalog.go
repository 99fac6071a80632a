package directory

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/grantway/grantway/worker/platform"
	"github.com/grantway/grantway/worker/registry"
)

// keyCatalog holds the parts in which the catalogue of all servers was published
// last, ordered by their ranges of server ids. So a change costs the part that it is in,
// however many servers there are.
const keyCatalog = "catalog"

// partSize is how many bytes of records one part of the catalogue holds, except that
// a part has one record at least. Two neighbours that fit into one are joined.
const partSize = 64 << 10

// extent is one part: the servers from Start on, up to Start of the next one.
type extent struct {
	Start string `json:"start"` // a server_id; "" of the first part
	Seq   int64  `json:"seq"`   // the sequence number as of which it was written
	Size  int    `json:"size"`  // bytes of its records
}

// publishCatalog writes the parts of the catalogue anew that the outbox names, then
// the root that names the parts. Interrupted anywhere, it is done again from its notes.
func (o *Object) publishCatalog(ctx context.Context, st platform.Storage) error {
	if err := o.publishing.catalog.take(ctx); err != nil {
		return err
	}
	defer o.publishing.catalog.leave()
	for {
		notes, err := st.List(ctx, platform.ListOptions{Prefix: keyOutboxCatalog, Limit: 1000})
		if err != nil || len(notes) == 0 {
			return err
		}
		t := newTransaction(st)
		parts, err := readParts(ctx, t.guarded)
		if err != nil {
			return err
		}
		w := &catalogWriter{st: st, kv: o.platform.KV(platform.Config)}
		if w.seq, err = readSeq(ctx, st); err != nil {
			return err
		}
		if err := w.rewrite(ctx, parts, touched(parts, notes)); err != nil {
			return err
		}
		if err := t.putJSON(keyCatalog, w.parts); err != nil {
			return err
		}
		ok, err := st.Transact(ctx, t.steps()...)
		if err != nil {
			return err
		}
		if !ok {
			continue // another life of the object has published meanwhile
		}
		for _, n := range notes {
			if _, err := st.Transact(ctx, platform.Expect(n.Key, n.Value), platform.Delete(n.Key)); err != nil {
				return err
			}
		}
	}
}

// readParts answers the parts in which the catalogue was published last.
func readParts(ctx context.Context, read func(context.Context, string) ([]byte, error)) ([]extent, error) {
	parts := []extent{{}}
	b, err := read(ctx, keyCatalog)
	if err != nil && !isNotFound(err) {
		return nil, err
	}
	if b != nil {
		if err := json.Unmarshal(b, &parts); err != nil || len(parts) == 0 {
			return nil, fmt.Errorf("directory: %s: %w", keyCatalog, err)
		}
	}
	return parts, nil
}

// touched answers which parts hold the servers that the notes name. A note that
// names none stands for all.
func touched(parts []extent, notes []platform.Entry) []bool {
	dirty := make([]bool, len(parts))
	for _, n := range notes {
		id, one := strings.CutPrefix(n.Key, keyOutboxCatalog+"/")
		last := 0
		for i, p := range parts {
			if !one {
				dirty[i] = true
			} else if p.Start <= id {
				last = i
			}
		}
		dirty[last] = true
	}
	return dirty
}

// catalogWriter collects the parts of a catalogue while it writes them.
type catalogWriter struct {
	st    platform.Storage
	kv    platform.KV
	seq   int64
	parts []extent
	held  *registry.CatalogPart // the newest part, which may become the only one
}

func (w *catalogWriter) rewrite(ctx context.Context, old []extent, dirty []bool) error {
	for i, p := range old {
		end := ""
		if i+1 < len(old) {
			end = old[i+1].Start
		}
		if !dirty[i] {
			w.parts = append(w.parts, p)
			continue
		}
		n := len(w.parts)
		size, err := w.write(ctx, p.Start, end)
		if err != nil {
			return err
		}
		if n > 0 && w.parts[n-1].Size+size < partSize {
			start := w.parts[n-1].Start
			w.parts, w.held = w.parts[:n-1], nil
			if _, err := w.write(ctx, start, end); err != nil {
				return err
			}
		} else if n == 0 && i+1 < len(old) && size+old[i+1].Size < partSize {
			dirty[i+1] = true // which then joins this one
		}
	}
	kept := map[string]bool{}
	for _, p := range w.parts {
		kept[p.Start] = true
	}
	if len(w.parts) == 1 && w.held != nil {
		kept[""] = len(old) == 1 // it has no key of its own
		if err := registry.PublishCatalog(ctx, w.kv, w.held); err != nil {
			return err
		}
	} else {
		if err := w.flush(ctx); err != nil {
			return err
		}
		root := make([]registry.CatalogPart, len(w.parts))
		for i, p := range w.parts {
			root[i] = registry.CatalogPart{Start: p.Start, Seq: p.Seq}
		}
		if err := registry.PublishRoot(ctx, w.kv, root); err != nil {
			return err
		}
	}
	for _, p := range old {
		if !kept[p.Start] {
			if err := registry.UnpublishPart(ctx, w.kv, p.Start); err != nil {
				return err
			}
		}
	}
	return nil
}

// write writes the records from start up to end ("": all), in as many parts as they
// need, and answers their size.
func (w *catalogWriter) write(ctx context.Context, start, end string) (int, error) {
	part := &registry.CatalogPart{Start: start, Seq: w.seq}
	total, size := 0, 0
	hold := func(next string) error {
		if err := w.flush(ctx); err != nil {
			return err
		}
		part.Next = next
		w.parts, w.held = append(w.parts, extent{part.Start, w.seq, size}), part
		return nil
	}
	o := platform.ListOptions{Prefix: keyServer}
	if start != "" {
		o.Start = keyServer + start
	}
	if end != "" {
		o.End = keyServer + end
	}
	err := scan(ctx, w.st, o, 250, func(key string, value []byte) error {
		id := strings.TrimPrefix(key, keyServer)
		if size > 0 && size+len(value) > partSize {
			if err := hold(id); err != nil {
				return err
			}
			part, size = &registry.CatalogPart{Start: id, Seq: w.seq}, 0
		}
		total, size = total+len(value), size+len(value)
		return part.Add(id, value)
	})
	if err != nil {
		return 0, err
	}
	return total, hold(end)
}

// flush publishes the part that is held.
func (w *catalogWriter) flush(ctx context.Context) error {
	if w.held == nil {
		return nil
	}
	part := w.held
	w.held = nil
	return registry.PublishPart(ctx, w.kv, part)
}
