package memory

import (
	"bytes"
	"context"
	"slices"
	"strings"
	"sync"

	"github.com/grantway/grantway/worker/platform"
)

// Storage is the durable storage of one object.
type Storage struct {
	mu     sync.Mutex
	values map[string][]byte
}

func (s *Storage) Get(_ context.Context, key string) ([]byte, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	v, ok := s.values[key]
	if !ok {
		return nil, platform.ErrNotFound
	}
	return slices.Clone(v), nil
}

func (s *Storage) Put(ctx context.Context, key string, value []byte) error {
	_, err := s.Transact(ctx, platform.Put(key, value))
	return err
}

func (s *Storage) Delete(ctx context.Context, key string) error {
	_, err := s.Transact(ctx, platform.Delete(key))
	return err
}

func (s *Storage) List(_ context.Context, opt platform.ListOptions) ([]platform.Entry, error) {
	if strings.ContainsFunc(opt.Prefix+opt.Start+opt.End, control) {
		return nil, &platform.Error{Op: "storage.list", Code: platform.CodeInvalid, Message: "range"}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []platform.Entry
	for k, v := range s.values {
		if strings.HasPrefix(k, opt.Prefix) && k >= opt.Start && (opt.End == "" || k < opt.End) {
			out = append(out, platform.Entry{Key: k, Value: slices.Clone(v)})
		}
	}
	slices.SortFunc(out, func(a, b platform.Entry) int { return strings.Compare(a.Key, b.Key) })
	if opt.Reverse {
		slices.Reverse(out)
	}
	limit := opt.Limit
	if limit <= 0 || limit > 1000 {
		limit = 1000
	}
	return out[:min(len(out), limit)], nil
}

func (s *Storage) Transact(_ context.Context, steps ...platform.Step) (bool, error) {
	for _, st := range steps {
		if st.Key == "" || len(st.Key) > 2048 || strings.ContainsFunc(st.Key, control) {
			return false, &platform.Error{Op: "storage.transact", Code: platform.CodeInvalid, Message: "key"}
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, st := range steps {
		v, ok := s.values[st.Key]
		switch st.Kind {
		case platform.StepExpect:
			if !ok || !bytes.Equal(v, st.Value) {
				return false, nil
			}
		case platform.StepAbsent:
			if ok {
				return false, nil
			}
		}
	}
	for _, st := range steps {
		switch st.Kind {
		case platform.StepPut:
			s.values[st.Key] = slices.Clone(st.Value)
		case platform.StepDelete:
			delete(s.values, st.Key)
		}
	}
	return true, nil
}

// control is what no key may hold (docs/host-abi.md, Strings and bytes).
func control(c rune) bool { return c < ' ' || c == 0x7f }
