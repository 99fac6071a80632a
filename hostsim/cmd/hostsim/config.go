package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
)

// applyConfig makes a file the file of record: its servers and keys become what
// the file says and read-only, and earlier ones that it no longer has are deleted.
// Variables that it names are taken from this program's environment.
func applyConfig(ctx context.Context, gateway http.Handler, file, adminKey string, logger *slog.Logger) error {
	doc, err := os.ReadFile(file)
	if err != nil {
		return fmt.Errorf("--config: %w", err)
	}
	body, err := json.Marshal(map[string]any{"document": string(doc), "environment": namedIn(doc, os.LookupEnv)})
	if err != nil {
		return err
	}
	var out struct {
		importAnswer
		Error apiError `json:"error"`
	}
	status, err := ask(ctx, gateway, http.MethodPost, "/v1/import?managed=true", adminKey, body, &out)
	if err != nil {
		return fmt.Errorf("--config %s: %w", file, err)
	}
	if status != http.StatusOK {
		out.Error.Status = status
		return fmt.Errorf("--config %s: %w", file, &out.Error)
	}
	for _, p := range out.Warnings {
		logger.Warn("configuration", "file", file, "at", p.Path, "message", p.Message)
	}
	counts := map[string]int{}
	for _, c := range out.Changes {
		counts[c.Action]++
	}
	var parts []string
	for _, action := range []string{"create", "update", "delete", "unchanged", "skip"} {
		if counts[action] > 0 {
			parts = append(parts, fmt.Sprintf("%s %d", action, counts[action]))
		}
	}
	logger.Info("configuration applied", "file", file, "changes", strings.Join(parts, ", "))
	return nil
}

// checkSettings answers the setting with which the gateway refuses to serve anything, if there is one.
func checkSettings(ctx context.Context, gateway http.Handler) error {
	var out struct {
		Error apiError `json:"error"`
	}
	status, err := ask(ctx, gateway, http.MethodGet, "/", "", nil, &out) // nothing is there, so nobody is refused
	if err == nil && status == http.StatusServiceUnavailable && out.Error.Code == "misconfigured" {
		return errors.New(out.Error.Message)
	}
	return nil // anything else is said where it is of importance
}

// ask sends a request to a gateway in this process and reads its JSON.
func ask(ctx context.Context, gateway http.Handler, method, path, key string, body []byte, out any) (status int, err error) {
	r := httptest.NewRequestWithContext(ctx, method, "http://127.0.0.1"+path, bytes.NewReader(body))
	if key != "" {
		r.Header.Set("Authorization", "Bearer "+key)
	}
	r.Header.Set("Content-Type", "application/json")
	w := httptest.NewRecorder()
	gateway.ServeHTTP(w, r)
	if err := json.Unmarshal(w.Body.Bytes(), out); err != nil {
		return w.Code, fmt.Errorf("the gateway answered %d", w.Code)
	}
	return w.Code, nil
}
