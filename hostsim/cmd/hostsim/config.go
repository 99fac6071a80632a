package main

import (
	"bytes"
	"context"
	"encoding/json"
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
	r := httptest.NewRequestWithContext(ctx, http.MethodPost, "http://127.0.0.1/v1/import?managed=true", bytes.NewReader(body))
	r.Header.Set("Authorization", "Bearer "+adminKey)
	r.Header.Set("Content-Type", "application/json")
	w := httptest.NewRecorder()
	gateway.ServeHTTP(w, r)
	var out struct {
		importAnswer
		Error apiError `json:"error"`
	}
	if err := json.Unmarshal(w.Body.Bytes(), &out); err != nil {
		return fmt.Errorf("--config %s: the gateway answered %d", file, w.Code)
	}
	if w.Code != http.StatusOK {
		out.Error.Status = w.Code
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
