package sioclient_test

import (
	"net/http"
	"testing"

	"github.com/gorilla/websocket"
)

// silent opens an Engine.IO session and then says nothing until stop.
func silent(t *testing.T, stop <-chan struct{}) http.Handler {
	var upgrader websocket.Upgrader
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c, err := upgrader.Upgrade(w, r, nil)
		if err != nil {
			t.Error(err)
			return
		}
		defer c.Close()
		_ = c.WriteMessage(websocket.TextMessage, []byte(`0{"sid":"s","upgrades":[],"pingInterval":50,"pingTimeout":50,"maxPayload":1000}`))
		<-stop
	})
}
