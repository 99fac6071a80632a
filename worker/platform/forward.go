package platform

import "time"

// Field is one header field. The name is in whatever case the host has it.
type Field struct{ Name, Value string }

// Head is a request from outside as the host delivers it, before an http.Request is made of it. Its strings and bytes do not
// change, its slices are the host's own: keep none of them.
type Head struct {
	Method string
	URL    string // absolute
	Fields []Field
	Body   []byte // all of it
}

// Forwarding is a request to the network whose answer the host gives to the client by itself.
type Forwarding struct {
	Method  string
	URL     string
	Header  []Field       // of the request
	Secret  Field         // the credential, a header too; an empty name: none
	Timeout time.Duration // until the head of the answer
	Reply   []Field       // added to the answer
	Pass    string        // names of the answer's fields that are passed on: lower case, separated by commas
	Swap    Swap
	// Forwarded is told how it ended.
	Forwarded Forwarded
}

// Swap is a field of the answer that the client knows by another value: where the server says Theirs, the client gets Ours.
// An answer that has the field with any other value is not passed on; an empty Theirs matches none. An empty Name: no such field.
type Swap struct{ Name, Theirs, Ours string }

// Forwarded is told, once, how a Forwarding ended. It does not wait for anything.
type Forwarded interface {
	// Passed means that the answer, with this status of 2xx, was given to the client, and has ended. It was so long until its
	// head; 0 means until now, because it is short.
	Passed(status int, head time.Duration)
	// Kept means that there is another answer, or none. The request is then served by ServeHTTP, whose first exchange
	// with this URL gets that answer instead of being sent a second time.
	Kept()
}

// Forwarder is implemented by a Program that can say of many requests at once, without waiting for anything, how they are
// to be forwarded. That spares the host a goroutine, and the program an http.Request, per request.
type Forwarder interface {
	// Forward fills f, whose slices are empty but may have room. It answers false, and has done nothing, for a request that
	// ServeHTTP is to serve. It may keep head.Body in f only: the request's body is forwarded as it is.
	Forward(head *Head, f *Forwarding) bool
}
