// Who hears what: `message` goes to the sockets of the workspace that have no
// subscription or have this conversation among them, everything else to all
// sockets of the workspace.
export const everyone = (workspace) => `workspace:${workspace}`
export const unsubscribed = (workspace) => `unsubscribed:${workspace}`
export const about = (workspace, conversation) => `conversation:${workspace}:${conversation}`

// subscriptions keeps a socket of a workspace in its rooms. answer is called
// with the acknowledgement of each request, undefined where none was asked for.
export function subscriptions(socket, workspace, answer = () => {}) {
  const mine = new Set()
  socket.join([everyone(workspace), unsubscribed(workspace)])
  socket.on('subscribe:conversation', (id, ack) => {
    mine.add(id)
    socket.leave(unsubscribed(workspace))
    socket.join(about(workspace, id))
    answer(ack)
  })
  socket.on('unsubscribe:conversation', (id, ack) => {
    mine.delete(id)
    socket.leave(about(workspace, id))
    if (mine.size === 0) socket.join(unsubscribed(workspace))
    answer(ack)
  })
}

// identity is a token's workspace and user, by the claims that ChatEngine knows.
export const identity = (claims) => ({
  workspace: claims.workspace_id ?? claims.workspaceId ?? claims.workspace,
  user: claims.sub ?? claims.user_id ?? claims.userId,
})

// optional is an object without the members that have no value.
export const optional = (object) =>
  Object.fromEntries(Object.entries(object).filter(([, value]) => value !== null && value !== undefined))
