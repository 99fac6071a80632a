package main

import (
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// Variables that the data folder supplies when the environment does not, and the
// files that hold them.
const (
	sealingKeyVariable = "GRANTWAY_SEALING_KEY"
	adminKeyVariable   = "GRANTWAY_ADMIN_KEY"
	sealingKeyFile     = "sealing.key"
	adminKeyFile       = "admin.key"
)

// secretBytes is the entropy of each key.
const secretBytes = 32

// secretFiles says which files were made by this run.
type secretFiles struct {
	created []string
	admin   string // the file of the admin key; "" if it came from the environment
}

// loadSecrets completes env with the keys of the data folder, and makes those that do
// not exist yet, readable by this user only.
func loadSecrets(dir string, env map[string]string) (secretFiles, error) {
	var s secretFiles
	for _, key := range []struct {
		variable, file string
		encode         func([]byte) string
	}{
		{sealingKeyVariable, sealingKeyFile, base64.StdEncoding.EncodeToString},
		{adminKeyVariable, adminKeyFile, func(b []byte) string { return "gwadmin_" + base64.RawURLEncoding.EncodeToString(b) }},
	} {
		if env[key.variable] != "" {
			continue
		}
		file := filepath.Join(dir, key.file)
		value, created, err := loadSecret(file, key.encode)
		if err != nil {
			return s, fmt.Errorf("%s: %w", key.variable, err)
		}
		env[key.variable] = value
		if created {
			s.created = append(s.created, file)
		}
		if key.variable == adminKeyVariable {
			s.admin = file
		}
	}
	return s, nil
}

func loadSecret(file string, encode func([]byte) string) (value string, created bool, err error) {
	b, err := os.ReadFile(file)
	switch {
	case err == nil:
		value = strings.TrimSpace(string(b))
		if value == "" {
			return "", false, fmt.Errorf("%s is empty; delete it for a new key, or restore it", file)
		}
		return value, false, nil
	case !errors.Is(err, fs.ErrNotExist):
		return "", false, err
	}
	random := make([]byte, secretBytes)
	_, _ = rand.Read(random) // never fails
	value = encode(random)
	f, err := os.OpenFile(file, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return "", false, err
	}
	_, err = f.WriteString(value + "\n")
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return "", false, err
	}
	return value, true, nil
}
