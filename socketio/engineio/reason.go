package engineio

// Reason says why a session was closed or a request refused. Its String is a
// stable label for metrics.
type Reason uint8

// The reasons for closing a session.
const (
	// ClientClose: the client sent a close packet or a close frame.
	ClientClose Reason = iota
	// TransportClose: the connection ended without one.
	TransportClose
	// TransportError: a connection failed, or a polling request broke the
	// order of requests.
	TransportError
	// ParseError: the client sent a packet that is not Engine.IO or not Socket.IO.
	ParseError
	// PingTimeout: no pong came in time.
	PingTimeout
	// WriteTimeout: a write made no progress in time.
	WriteTimeout
	// QueuePackets: too many packets waited to be written: a slow consumer.
	QueuePackets
	// QueueBytes: too many bytes waited to be written: a slow consumer.
	QueueBytes
	// PayloadTooBig: an inbound message was larger than MaxPayload, or, before the
	// client was authenticated, than UnauthenticatedPayload. It is also the reason for
	// refusing the body of a POST, HTTP 413, after which the session goes on.
	PayloadTooBig
	// MessageTimeout: a client that is not authenticated did not finish a message in
	// time.
	MessageTimeout
	// RateLimit: too many inbound packets per second.
	RateLimit
	// ServerClose: the application closed the session.
	ServerClose
	// Shed: the application closed the session so that the client comes back
	// elsewhere.
	Shed
	// Shutdown: the server shuts down.
	Shutdown
	// ConnectTimeout: no namespace was connected in time (Socket.IO).
	ConnectTimeout
	// ConnectRefused: too many CONNECTs were refused (Socket.IO).
	ConnectRefused
	// TooManyAttachments: a packet announced more than is allowed (Socket.IO).
	TooManyAttachments
	// TooManyRooms: a socket asked for more subscriptions than is allowed.
	TooManyRooms
	// ServerDisconnect: the application ended the namespace (Socket.IO packet 41).
	ServerDisconnect
	// ClientDisconnect: the client left the namespace (Socket.IO packet 41).
	ClientDisconnect
	// AuthRetry: the client could not be authenticated now, and comes back (Socket.IO).
	AuthRetry
	// Replaced: the client came back on another connection, before this one was
	// known to be dead (Socket.IO).
	Replaced
	// Panic: a callback of the application panicked while it served the client.
	Panic

	// The reasons for refusing a handshake or another request.

	// UnknownTransport: HTTP 400, code 0.
	UnknownTransport
	// UnknownSession: HTTP 400, code 1.
	UnknownSession
	// BadMethod: HTTP 400, code 2.
	BadMethod
	// BadRequest: HTTP 400, code 3.
	BadRequest
	// ForbiddenOrigin: HTTP 403, code 4.
	ForbiddenOrigin
	// UnsupportedProtocol: HTTP 400, code 5.
	UnsupportedProtocol
	// MaxConnections: HTTP 503.
	MaxConnections
	// MaxConnectionsPerAddress: HTTP 503.
	MaxConnectionsPerAddress
	// MaxUnauthenticated: HTTP 503. It is also the reason for closing an anonymous
	// session to make room for another.
	MaxUnauthenticated
	// MaxUnauthenticatedPerAddress: HTTP 503.
	MaxUnauthenticatedPerAddress
	// HandshakeRate: HTTP 503.
	HandshakeRate
	// HandshakeRatePerAddress: HTTP 503.
	HandshakeRatePerAddress
	// ShuttingDown: HTTP 503.
	ShuttingDown

	// NumReasons is the number of reasons; each is below it.
	NumReasons
)

var reasonNames = [NumReasons]string{
	ClientClose: "client_close", TransportClose: "transport_close", TransportError: "transport_error",
	ParseError: "parse_error", PingTimeout: "ping_timeout", WriteTimeout: "write_timeout",
	QueuePackets: "queue_packets", QueueBytes: "queue_bytes", PayloadTooBig: "payload_too_big",
	MessageTimeout: "message_timeout", ConnectRefused: "connect_refused",
	RateLimit: "rate_limit", ServerClose: "server_close", Shed: "shed", Shutdown: "shutdown",
	ConnectTimeout: "connect_timeout", TooManyAttachments: "too_many_attachments",
	TooManyRooms: "too_many_rooms", ServerDisconnect: "server_disconnect",
	ClientDisconnect: "client_disconnect", AuthRetry: "auth_retry", Replaced: "replaced", Panic: "panic",
	UnknownTransport: "unknown_transport", UnknownSession: "unknown_session", BadMethod: "bad_method",
	BadRequest: "bad_request", ForbiddenOrigin: "forbidden_origin",
	UnsupportedProtocol: "unsupported_protocol", MaxConnections: "max_connections",
	MaxConnectionsPerAddress: "max_connections_per_address", HandshakeRate: "handshake_rate",
	MaxUnauthenticated: "max_unauthenticated", MaxUnauthenticatedPerAddress: "max_unauthenticated_per_address",
	HandshakeRatePerAddress: "handshake_rate_per_address",
	ShuttingDown:            "shutting_down",
}

// String returns the reason's label, such as "ping_timeout".
func (r Reason) String() string {
	if r >= NumReasons {
		return "unknown"
	}
	return reasonNames[r]
}
