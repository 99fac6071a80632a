package mcpserver

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"sync"
	"time"

	"github.com/go-jose/go-jose/v4"
)

const (
	// keysMaxAge is how long a key set is used before it is read again.
	keysMaxAge = time.Minute
	// maxKeys bounds a key set, in bytes.
	maxKeys = 256 << 10
)

// keyCache holds the issuer's keys and reads them again when they are old or lack a key.
type keyCache struct {
	load func() (jose.JSONWebKeySet, error)
	now  func() time.Time

	mu      sync.Mutex
	set     jose.JSONWebKeySet
	fetched time.Time
}

func (c *keyCache) key(id string) (jose.JSONWebKey, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if found := c.set.Key(id); len(found) > 0 && c.now().Sub(c.fetched) < keysMaxAge {
		return found[0], nil
	}
	set, err := c.load()
	if err != nil {
		return jose.JSONWebKey{}, err
	}
	c.set, c.fetched = set, c.now()
	if found := set.Key(id); len(found) > 0 {
		return found[0], nil
	}
	return jose.JSONWebKey{}, fmt.Errorf("the issuer publishes no key %q", id)
}

func fetchKeys(url string) (set jose.JSONWebKeySet, err error) {
	client := &http.Client{Timeout: 5 * time.Second}
	response, err := client.Get(url)
	if err != nil {
		return set, err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return set, fmt.Errorf("the issuer's key set answers status %d", response.StatusCode)
	}
	err = json.NewDecoder(io.LimitReader(response.Body, maxKeys)).Decode(&set)
	return set, err
}
