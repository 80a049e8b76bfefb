package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"syscall"
	"time"
	"unicode"

	"chatbridge/internal/sioclient"
)

// printer writes events, one a line.
type printer struct {
	w    io.Writer
	json bool
}

func newPrinter(w io.Writer, json bool) *printer { return &printer{w: w, json: json} }

func (p *printer) event(e sioclient.Event, now time.Time) error {
	var data json.RawMessage
	if len(e.Args) > 0 {
		data = e.Args[0]
	}
	if p.json {
		return p.line(e.Name, data, now)
	}
	_, err := fmt.Fprintf(p.w, "%s  %-13s %s\n", now.Format("15:04:05.000"), printable(e.Name, 40), describe(e.Name, data))
	return err
}

// line prints the whole event as one line of JSON.
func (p *printer) line(name string, data json.RawMessage, now time.Time) error {
	return printJSON(p.w, struct {
		Time  string          `json:"time"`
		Event string          `json:"event"`
		Data  json.RawMessage `json:"data,omitempty"`
	}{now.UTC().Format("2006-01-02T15:04:05.000Z"), name, data}, "")
}

// printJSON writes v and a line break, without escapes for HTML. indent is the
// indentation of one level; if it is empty, all is on one line.
func printJSON(w io.Writer, v any, indent string) error {
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", indent)
	return enc.Encode(v)
}

// describe formats the main fields of an event in columns.
func describe(name string, data json.RawMessage) string {
	var d struct {
		ID, ConversationID, SenderID, Type, Status, Content, MessageID, UserID string
		IsTyping                                                               bool
		LastMessage                                                            *struct{ Content string }
		Participants                                                           []struct{ Name string }
		Attachments                                                            []struct{ URL string }
	}
	if json.Unmarshal(data, &d) != nil {
		return printable(string(data), 200)
	}
	column := func(s string) string { return fmt.Sprintf("%-36s", printable(s, 60)) }
	switch name {
	case "message":
		s := column(d.ConversationID) + "  " + printable(d.SenderID, 40) + ": " + printable(d.Content, 80)
		if len(d.Attachments) > 0 {
			s += " [" + printable(d.Type, 10) + " " + printable(d.Attachments[0].URL, 60) + "]"
		}
		return s + " (" + printable(d.Status, 12) + ", " + printable(d.ID, 60) + ")"
	case "conversation":
		s := column(d.ID)
		for _, p := range d.Participants {
			s += "  " + printable(p.Name, 40)
		}
		if d.LastMessage != nil {
			s += ": " + printable(d.LastMessage.Content, 80)
		}
		return s
	case "messageStatus":
		return column(d.ConversationID) + "  " + printable(d.MessageID, 60) + " is " + printable(d.Status, 12)
	case "typing":
		verb := " is typing"
		if !d.IsTyping {
			verb = " stopped typing"
		}
		return column(d.ConversationID) + "  " + printable(d.UserID, 60) + verb
	}
	return printable(string(data), 200)
}

// printable shortens s to at most the given number of characters and replaces
// control characters: the content of events is not trusted.
func printable(s string, most int) string {
	s = strings.Map(func(r rune) rune {
		switch {
		case r == '\n' || r == '\r' || r == '\t':
			return ' '
		case !unicode.IsPrint(r):
			return '·'
		}
		return r
	}, s)
	if r := []rune(s); len(r) > most {
		s = string(r[:most-1]) + "…"
	}
	return s
}

// printError returns why the output ended; nil for a closed pipe (`| head`) and
// for Ctrl-C, which are not errors.
func printError(err error) error {
	if err == nil || errors.Is(err, context.Canceled) || errors.Is(err, syscall.EPIPE) || errors.Is(err, io.ErrClosedPipe) {
		return nil
	}
	return err
}
