// Many clients of one page's kind. Each line of its output is a JSON object with the event
// and the client's number; connect says whether the session was restored, and how many
// milliseconds after the attempt to come back began.
//
//	node crowd.mjs URL TOKEN CLIENTS CONVERSATION TRANSPORT
import { io } from "client-4.8";

const [url, token, clients, conversation, transport] = process.argv.slice(2);
const say = (line) => console.log(JSON.stringify(line));

for (let client = 0; client < Number(clients); client++) {
  const socket = io(url, {
    path: "/api/ws",
    transports: transport === "both" ? ["polling", "websocket"] : [transport],
    auth: { token },
    forceNew: true,
    reconnectionDelay: 100,
    reconnectionDelayMax: 500,
  });
  let attempt = 0;
  socket.io.on("reconnect_attempt", () => (attempt = Date.now()));
  socket.on("connect", () => {
    if (!socket.recovered) {
      socket.emit("subscribe:conversation", conversation);
    }
    say({ event: "connect", client, recovered: socket.recovered, took: attempt ? Date.now() - attempt : 0 });
  });
  socket.on("disconnect", (reason) => say({ event: "disconnect", client, reason }));
  socket.on("connect_error", (error) => say({ event: "connect_error", client, reason: error.message }));
  socket.on("gap", (gap) => say({ event: "gap", client, gap }));
  socket.on("message", (m) => say({ event: "message", client, body: m.content }));
}
