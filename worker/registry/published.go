package registry

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strconv"

	"github.com/grantway/grantway/worker/platform"
)

// The catalogue is text: a first line `SEQ COUNT`, then one line per server,
// ordered by slug: `SERVER_ID VERSION STORED_RECORD`. A reader that has a record of
// this version need not decode the line.

// EncodeCatalog answers the catalogue of stored records, which are ordered by slug.
func EncodeCatalog(seq int64, recs []CatalogLine) []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "%d %d\n", seq, len(recs))
	for _, r := range recs {
		fmt.Fprintf(&b, "%s %d ", r.ServerID, r.Version)
		b.Write(r.Stored)
		b.WriteByte('\n')
	}
	return b.Bytes()
}

// CatalogLine is one server of a catalogue; Stored is what Encode answers.
type CatalogLine struct {
	ServerID string
	Version  int64
	Stored   []byte
}

var errCatalog = errors.New("registry: malformed catalogue")

func decodeCatalog(b []byte, old *listing) ([]*Record, int64, error) {
	head, b, ok := bytes.Cut(b, []byte{'\n'})
	s, n, ok2 := bytes.Cut(head, []byte{' '})
	seq, err := strconv.ParseInt(string(s), 10, 64)
	count, err2 := strconv.Atoi(string(n))
	if !ok || !ok2 || err != nil || err2 != nil || count < 0 || count > len(b) {
		return nil, 0, errCatalog
	}
	have := map[string]*Record{}
	if old != nil {
		if old.seq == seq {
			return old.recs, seq, nil
		}
		for _, r := range old.recs {
			have[r.ServerID] = r
		}
	}
	recs := make([]*Record, 0, count)
	for len(b) > 0 {
		var line []byte
		line, b, _ = bytes.Cut(b, []byte{'\n'})
		id, rest, ok := bytes.Cut(line, []byte{' '})
		v, doc, ok2 := bytes.Cut(rest, []byte{' '})
		version, err := strconv.ParseInt(string(v), 10, 64)
		if !ok || !ok2 || err != nil {
			return nil, 0, errCatalog
		}
		if r := have[string(id)]; r != nil && r.Version == version {
			recs = append(recs, r)
			continue
		}
		r, err := Decode(doc)
		if err != nil {
			return nil, 0, err
		}
		recs = append(recs, r)
	}
	if len(recs) != count {
		return nil, 0, errCatalog
	}
	return recs, seq, nil
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

// PublishCatalog writes the catalogue to KV CONFIG.
func PublishCatalog(ctx context.Context, kv platform.KV, catalog []byte) error {
	return kv.Put(ctx, kvCatalog, catalog, 0)
}
