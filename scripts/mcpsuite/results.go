package main

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// check is a row of a scenario's checks.json.
type check struct {
	ID           string `json:"id"`
	Status       string `json:"status"`
	ErrorMessage string `json:"errorMessage"`
}

// printFailures lists what failed, by scenario.
func printFailures(folder string) {
	passed, failed, unscored := 0, 0, 0
	err := filepath.WalkDir(folder, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.Name() != "checks.json" {
			return err
		}
		b, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		var checks []check
		if err := json.Unmarshal(b, &checks); err != nil {
			return err
		}
		scenario, err := filepath.Rel(folder, filepath.Dir(path))
		if err != nil {
			return err
		}
		for _, c := range checks {
			switch c.Status {
			case "SUCCESS":
				passed++
			case "FAILURE":
				if strings.HasPrefix(scenario, "server-tasks-") {
					unscored++
					continue
				}
				failed++
				fmt.Printf("    %s: %s: %s\n", scenario, c.ID, clip(c.ErrorMessage))
			}
		}
		return nil
	})
	if err != nil {
		fmt.Println("   ", err)
	}
	fmt.Printf("    %d checks passed, %d failed; %d of the tasks extension, which the everything-server does not have, failed\n", passed, failed, unscored)
}

func clip(s string) string {
	const most = 200
	if len(s) > most {
		return s[:most] + "…"
	}
	return s
}
