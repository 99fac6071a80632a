// Package openapi holds the description of the API, /openapi.json. Its schemas
// are also what requests are checked against, so the two cannot differ.
package openapi

import (
	_ "embed"
	"sync"

	"github.com/grantway/grantway/worker/schema"
)

// Document is the OpenAPI 3.1 document, as it is served.
//
//go:embed openapi.json
var Document []byte

// Schemas answers the schemas of the document.
var Schemas = sync.OnceValue(func() *schema.Set {
	s, err := schema.Parse(Document)
	if err != nil {
		panic("openapi: " + err.Error())
	}
	return s
})
