// Package exposition adds up counters and histograms that several instances of one
// program show in Prometheus' text format (version 0.0.4).
package exposition

import (
	"slices"
	"strconv"
	"strings"
)

// Metrics are the samples of one text, or a sum of several.
type Metrics struct {
	byName map[string]*family
}

type family struct {
	comments []string // "# HELP" and "# TYPE" lines
	keys     []string // name and labels of each sample, in order
	values   map[string]float64
}

// Parse reads a text. Lines that are no samples are skipped.
func Parse(text string) *Metrics {
	m := &Metrics{byName: map[string]*family{}}
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if rest, ok := strings.CutPrefix(line, "# "); ok {
			kind, rest, _ := strings.Cut(rest, " ")
			name, _, _ := strings.Cut(rest, " ")
			if (kind == "HELP" || kind == "TYPE") && name != "" {
				f := m.family(name)
				f.comments = append(f.comments, line)
			}
			continue
		}
		at := strings.LastIndexByte(line, ' ')
		if at <= 0 || line[0] == '#' {
			continue
		}
		value, err := strconv.ParseFloat(line[at+1:], 64)
		if err != nil {
			continue
		}
		m.family(m.familyOf(line[:at])).add(line[:at], value)
	}
	return m
}

func (m *Metrics) family(name string) *family {
	f := m.byName[name]
	if f == nil {
		f = &family{values: map[string]float64{}}
		m.byName[name] = f
	}
	return f
}

// familyOf is the family that a sample belongs to: its name, or, for the parts of a
// histogram, the name without their suffix.
func (m *Metrics) familyOf(key string) string {
	name, _, _ := strings.Cut(key, "{")
	for _, suffix := range []string{"_bucket", "_sum", "_count"} {
		if base, ok := strings.CutSuffix(name, suffix); ok && m.byName[base] != nil {
			return base
		}
	}
	return name
}

func (f *family) add(key string, value float64) {
	if _, have := f.values[key]; !have {
		f.keys = append(f.keys, key)
	}
	f.values[key] += value
}

// Add adds the samples of other to m.
func (m *Metrics) Add(other *Metrics) {
	for name, f := range other.byName {
		if m.byName[name] == nil {
			m.family(name).comments = slices.Clone(f.comments)
		}
	}
	for name, f := range other.byName {
		to := m.byName[name]
		for _, key := range f.keys {
			to.add(key, f.values[key])
		}
	}
}

// Set sets a sample without labels. help and kind describe it.
func (m *Metrics) Set(name, kind, help string, value float64) {
	f := m.family(name)
	f.comments = []string{"# HELP " + name + " " + help, "# TYPE " + name + " " + kind}
	f.keys, f.values = []string{name}, map[string]float64{name: value}
}

// Text writes the samples, families in order of their names.
func (m *Metrics) Text() string {
	names := make([]string, 0, len(m.byName))
	for name := range m.byName {
		names = append(names, name)
	}
	slices.Sort(names)
	var b strings.Builder
	for _, name := range names {
		f := m.byName[name]
		for _, c := range f.comments {
			b.WriteString(c + "\n")
		}
		for _, key := range f.keys {
			b.WriteString(key + " " + strconv.FormatFloat(f.values[key], 'g', -1, 64) + "\n")
		}
	}
	return b.String()
}
