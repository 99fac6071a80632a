package instance

import "sync"

// output sends what the guest prints to the log.
type output struct{ log Log }

func (o output) Write(p []byte) (int, error) {
	o.log.Output(p)
	return len(p), nil
}

// missing reports each undefined JavaScript property once per engine, so that an
// unsupported API is visible.
type missing struct {
	mu   sync.Mutex
	seen map[string]bool
}

func (m *missing) report(key string, log Log) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.seen[key] {
		return
	}
	if m.seen == nil {
		m.seen = map[string]bool{}
	}
	m.seen[key] = true
	log.Host(-4, "the guest asked for a JavaScript property that this host does not have", "property", key)
}
