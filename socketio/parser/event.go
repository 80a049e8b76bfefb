package parser

import "encoding/json"

// EventName returns the name that element, the first of an event's array, gives.
// It is a string, or a number, whose digits are the name. The names that mean
// something to the libraries themselves are refused, as Node does.
func EventName(element json.RawMessage) (string, bool) {
	if len(element) == 0 {
		return "", false
	}
	if element[0] != '"' {
		isNumber := element[0] == '-' || element[0] >= '0' && element[0] <= '9'
		return string(element), isNumber
	}
	var name string
	if err := json.Unmarshal(element, &name); err != nil {
		return "", false
	}
	switch name {
	case "connect", "connect_error", "disconnect", "disconnecting", "newListener", "removeListener":
		return "", false
	}
	return name, true
}
