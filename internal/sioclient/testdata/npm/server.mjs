// The real Socket.IO server with the behaviour that client_test.go expects.
import { createServer } from "node:http";
import { Server } from "socket.io";

const http = createServer();
const io = new Server(http, {
  path: "/api/ws",
  pingInterval: 100,
  pingTimeout: 400,
  connectionStateRecovery: { maxDisconnectionDuration: 10000, skipMiddlewares: false },
});

io.use((socket, next) => {
  switch (socket.handshake.auth.token) {
    case "good":
      return next();
    case "later":
      return socket.conn.close();
    default: {
      const err = new Error("the token is not right");
      err.data = { code: "token_signature" };
      return next(err);
    }
  }
});

io.on("connection", (socket) => {
  socket.onAny((name, ...args) => {
    const ack = typeof args.at(-1) === "function" ? args.pop() : undefined;
    switch (name) {
      case "echo":
        return ack ? ack(...args) : socket.emit("echoed", ...args);
      case "binary":
        return socket.emit("bytes", Buffer.from([1, 2, 3]), { more: Buffer.from([4]) });
      case "drop":
        socket.conn.close();
        return setTimeout(() => io.emit("missed", args[0]), 20);
      case "kick":
        return socket.disconnect(true);
      case "silence":
        return; // never acknowledged
    }
  });
  if (!socket.recovered) socket.emit("hello", { workspace: socket.handshake.auth.workspaceId });
});

http.listen(0, "127.0.0.1", () => {
  console.log(JSON.stringify({ event: "listening", port: http.address().port }));
});
