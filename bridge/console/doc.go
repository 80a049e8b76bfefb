// Package console is the operator's page: one self-contained HTML file that
// shows what /status says and keeps it up to date. It needs nothing from
// elsewhere and changes nothing.
package console
