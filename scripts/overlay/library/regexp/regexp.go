// Package regexp stands in the module for regexp: it matches the three expressions of
// go.yaml.in/yaml and filippo.io/age, which would otherwise bring the parser, the engine
// and Unicode's tables. Another expression panics when it is compiled, which is
// when the module starts.
package regexp

import "strings"

type Regexp struct{ match func(string) bool }

var known = map[string]func(string) bool{
	`^[1-9][0-9]*$`: number,
	`^[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?$`: float,
	`^[-+]?[0-9][0-9_]*(?::[0-5]?[0-9])+(?:\.[0-9_]*)?$`:    sexagesimal,
}

func MustCompile(expression string) *Regexp {
	match, ok := known[expression]
	if !ok {
		panic("regexp: not known to this module: " + expression)
	}
	return &Regexp{match}
}

func (r *Regexp) MatchString(s string) bool { return r.match(s) }

const digits = "0123456789"

// begins says whether s begins with a character of set.
func begins(s, set string) bool { return s != "" && strings.IndexByte(set, s[0]) >= 0 }

// sign removes a sign.
func sign(s string) string {
	if begins(s, "-+") {
		return s[1:]
	}
	return s
}

func number(s string) bool {
	return begins(s, "123456789") && strings.Trim(s, digits) == ""
}

func float(s string) bool {
	s = sign(s)
	fraction := strings.TrimLeft(s, digits)
	whole := len(s) - len(fraction)
	s = fraction
	if begins(s, ".") {
		s = strings.TrimLeft(s[1:], digits)
		if whole == 0 && len(s)+1 == len(fraction) {
			return false
		}
	} else if whole == 0 {
		return false
	}
	if !begins(s, "eE") {
		return s == ""
	}
	s = sign(s[1:])
	return s != "" && strings.TrimLeft(s, digits) == ""
}

func sexagesimal(s string) bool {
	s = sign(s)
	if !begins(s, digits) {
		return false
	}
	s = strings.TrimLeft(s, digits+"_")
	if !begins(s, ":") {
		return false
	}
	for begins(s, ":") {
		s = s[1:]
		if begins(s, "012345") && begins(s[1:], digits) {
			s = s[1:]
		}
		if !begins(s, digits) {
			return false
		}
		s = s[1:]
	}
	return s == "" || begins(s, ".") && strings.TrimLeft(s[1:], digits+"_") == ""
}
