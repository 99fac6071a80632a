// Package jsonrpc reads and writes the JSON-RPC 2.0 envelope of MCP messages
// without decoding what is inside.
//
// Scan validates a whole body (RFC 8259, UTF-8, unique member names, bounded
// depth) in one pass and answers views into it: the gateway decides by these and
// sends the same bytes on. A body that two parsers could read differently is
// refused, so that policy and upstream never see different requests.
package jsonrpc

// Kind is what a message is.
type Kind uint8

// Kinds of a message.
const (
	Invalid      Kind = iota
	Request           // method and id
	Notification      // method, no id
	Response          // result or error, with id
	Batch             // an array of messages; Each takes it apart
)

// Names of members of params._meta (MCP 2026-07-28, SEP-2575).
const (
	MetaProtocolVersion    = "io.modelcontextprotocol/protocolVersion"
	MetaClientCapabilities = "io.modelcontextprotocol/clientCapabilities"
	MetaClientInfo         = "io.modelcontextprotocol/clientInfo"
	MetaLogLevel           = "io.modelcontextprotocol/logLevel"
	MetaServerInfo         = "io.modelcontextprotocol/serverInfo"
	MetaSubscriptionID     = "io.modelcontextprotocol/subscriptionId"
)

// Message is one scanned message. Byte slices are views into the scanned body:
// raw JSON values, nil if absent.
type Message struct {
	Kind   Kind
	ID     []byte // string or number
	Method string
	Params []byte // an object
	Result []byte
	Error  []byte

	// Of params.
	Name      string // params.name, if it is a string
	URI       string // params.uri
	TaskID    string // params.taskId
	Cursor    []byte
	Arguments []byte
	Meta      []byte
	Retry     bool // inputResponses or requestState is there

	// Of params._meta.
	ProtocolVersion    string
	ClientCapabilities []byte
	ClientInfo         []byte
	LogLevel           []byte
	ProgressToken      []byte
}

// Target answers what Mcp-Name mirrors for this method (SEP-2243): params.name,
// params.uri or params.taskId; false if the method has none.
func (m *Message) Target() (string, bool) {
	switch m.Method {
	case "tools/call", "prompts/get":
		return m.Name, true
	case "resources/read":
		return m.URI, true
	case "tasks/get", "tasks/update", "tasks/cancel":
		return m.TaskID, true
	}
	return "", false
}

// methodName answers the method as a string, without an allocation for those of
// the specification.
func methodName(b []byte) string {
	switch string(b) {
	case "tools/call":
		return "tools/call"
	case "tools/list":
		return "tools/list"
	case "initialize":
		return "initialize"
	case "notifications/initialized":
		return "notifications/initialized"
	case "notifications/cancelled":
		return "notifications/cancelled"
	case "notifications/progress":
		return "notifications/progress"
	case "notifications/message":
		return "notifications/message"
	case "server/discover":
		return "server/discover"
	case "prompts/list":
		return "prompts/list"
	case "prompts/get":
		return "prompts/get"
	case "resources/list":
		return "resources/list"
	case "resources/templates/list":
		return "resources/templates/list"
	case "resources/read":
		return "resources/read"
	case "completion/complete":
		return "completion/complete"
	case "subscriptions/listen":
		return "subscriptions/listen"
	case "ping":
		return "ping"
	}
	return string(b)
}

// versionName is methodName for protocol versions.
func versionName(b []byte) string {
	switch string(b) {
	case "2026-07-28":
		return "2026-07-28"
	case "2025-11-25":
		return "2025-11-25"
	case "2025-06-18":
		return "2025-06-18"
	case "2025-03-26":
		return "2025-03-26"
	}
	return string(b)
}
