package audit

import (
	"bytes"
	"encoding/json"
	"strings"
)

// volatile fields change with every write and say nothing.
var volatile = map[string]bool{"version": true, "updated_at": true, "updated_by": true, "last_used_at": true}

// Changes answers the members in which two JSON objects differ, as they were and as
// they are. A nil object has no members. Neither may hold a secret; query strings
// of URLs, which sometimes do, are masked.
func Changes(before, after any) (b, a json.RawMessage, err error) {
	old, err := members(before)
	if err != nil {
		return nil, nil, err
	}
	now, err := members(after)
	if err != nil {
		return nil, nil, err
	}
	for name, v := range old {
		if bytes.Equal(v, now[name]) || volatile[name] {
			delete(old, name)
			delete(now, name)
		}
	}
	for name := range now {
		if volatile[name] {
			delete(now, name)
		}
	}
	if b, err = object(old); err != nil {
		return nil, nil, err
	}
	a, err = object(now)
	return b, a, err
}

func members(v any) (map[string]json.RawMessage, error) {
	if v == nil {
		return nil, nil
	}
	doc, err := json.Marshal(v)
	if err != nil {
		return nil, err
	}
	var m map[string]json.RawMessage
	if err := json.Unmarshal(doc, &m); err != nil {
		return nil, err
	}
	for name, raw := range m {
		var s string
		if strings.HasSuffix(name, "url") && json.Unmarshal(raw, &s) == nil {
			if base, _, query := strings.Cut(s, "?"); query {
				m[name], _ = json.Marshal(base + "?***")
			}
		}
	}
	return m, nil
}

func object(m map[string]json.RawMessage) (json.RawMessage, error) {
	if len(m) == 0 {
		return nil, nil
	}
	return json.Marshal(m)
}
