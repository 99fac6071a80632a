package registry

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"
)

// stored is a record as the Directory and KV CONFIG hold it: with its sealed
// secrets, which an API answer never has.
type stored struct {
	*Record
	CreatedAt time.Time               `json:"created_at"`
	UpdatedAt time.Time               `json:"updated_at"`
	CreatedBy string                  `json:"created_by,omitempty"`
	UpdatedBy string                  `json:"updated_by,omitempty"`
	Secrets   map[string]SealedSecret `json:"sealed_secrets,omitempty"`
	ClientKey *ClientKey              `json:"client_key,omitempty"`
	Epoch     int64                   `json:"token_epoch,omitempty"`
	Callers   map[string]CallerEpoch  `json:"caller_epochs,omitempty"`
}

// Encode answers the stored form of a record (docs/storage.md).
func Encode(r *Record) ([]byte, error) {
	return json.Marshal(stored{r, r.CreatedAt, r.UpdatedAt, r.CreatedBy, r.UpdatedBy, r.Secrets, r.ClientKey, r.TokenEpoch, r.CallerEpochs})
}

// Decode reads the stored form of a record.
func Decode(b []byte) (*Record, error) {
	s := stored{Record: &Record{}}
	if err := json.Unmarshal(b, &s); err != nil {
		return nil, fmt.Errorf("registry: stored record: %w", err)
	}
	r := s.Record
	if r == nil || r.ServerID == "" {
		return nil, fmt.Errorf("registry: stored record: no server_id")
	}
	r.CreatedAt, r.UpdatedAt, r.CreatedBy, r.UpdatedBy = s.CreatedAt, s.UpdatedAt, s.CreatedBy, s.UpdatedBy
	r.Secrets, r.ClientKey, r.TokenEpoch, r.CallerEpochs = s.Secrets, s.ClientKey, s.Epoch, s.Callers
	return r, nil
}

// Clone answers a deep copy.
func (r *Record) Clone() *Record {
	b, err := Encode(r)
	if err != nil {
		panic("registry: clone: " + err.Error()) // a Record holds only values that JSON can hold
	}
	c, err := Decode(b)
	if err != nil {
		panic("registry: clone: " + err.Error())
	}
	return c
}

// Fold makes a reference to a server comparable: references ignore case.
func Fold(ref string) string { return strings.ToLower(ref) }

// Refs answers the references under which the record is found, folded, each
// once: server_id, slug, server_name, alias. No two servers share one.
func (r *Record) Refs() []string {
	refs := make([]string, 0, 4)
next:
	for _, s := range [...]string{r.ServerID, r.Slug, r.ServerName, r.Alias} {
		s = Fold(s)
		if s == "" {
			continue
		}
		for _, have := range refs {
			if have == s {
				continue next
			}
		}
		refs = append(refs, s)
	}
	return refs
}
