//go:build !plainread

package engineio

import (
	"log/slog"
	"os"
	"sync"
	"syscall"
	"unsafe"
)

// poller waits with epoll(7) for what clients send on idle WebSocket connections, so
// that none of them needs a goroutine, whose stack would be more than half of what an
// idle connection takes: see docs/hot-path/socketio.md.
//
// Each connection is registered one-shot: when it has something to read, a goroutine
// starts and reads until there is no more, then watches it again. The epoll
// descriptor itself is waited for by Go's own poller, so no thread blocks in it. A
// nil poller watches no connection.
type poller struct {
	server *Server
	file   *os.File // the epoll descriptor
	fd     int

	// mu is also held over epoll_ctl: what the last reader of a connection did
	// happens before what the next one does.
	mu      sync.Mutex
	watched []watched // by slot
	free    []int32   // unused slots
	running bool
	closed  bool
}

// watched is a connection in the poller. Its generation tells it from an earlier one
// of the same slot, whose events may still come.
type watched struct {
	ws         *wsConn
	session    *Session
	generation int32
}

func newPoller(s *Server) *poller {
	fd, err := syscall.EpollCreate1(syscall.EPOLL_CLOEXEC)
	if err == nil {
		err = syscall.SetNonblock(fd, true)
	}
	if err != nil {
		s.opts.Logger.Warn("create epoll: each connection will have a goroutine", slog.Any("error", err))
		return nil
	}
	return &poller{server: s, fd: fd, file: os.NewFile(uintptr(fd), "epoll")}
}

const pollEvents = syscall.EPOLLIN | syscall.EPOLLRDHUP | syscall.EPOLLONESHOT

// watch watches a connection whose reader has nothing more to read; false means
// that the reader must go on.
func (p *poller) watch(ws *wsConn, s *Session) bool {
	if p == nil || ws.raw == nil {
		return false
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return false
	}
	if ws.watched {
		return p.control(ws, syscall.EPOLL_CTL_MOD)
	}
	p.add(ws, s)
	if !p.control(ws, syscall.EPOLL_CTL_ADD) {
		p.freeSlot(ws)
		return false
	}
	return true
}

// add gives a connection a slot, and starts the poller's goroutine with the first.
// mu is held.
func (p *poller) add(ws *wsConn, s *Session) {
	if n := len(p.free); n > 0 {
		ws.slot, p.free = p.free[n-1], p.free[:n-1]
	} else {
		ws.slot = int32(len(p.watched))
		p.watched = append(p.watched, watched{})
	}
	w := &p.watched[ws.slot]
	w.ws, w.session = ws, s
	ws.generation, ws.watched = w.generation, true
	if !p.running {
		p.running = true
		p.server.goroutines.Go(p.run)
	}
}

// control calls epoll_ctl(2) for a connection; it fails if that is closed. mu is held.
func (p *poller) control(ws *wsConn, op int) bool {
	event := syscall.EpollEvent{Events: pollEvents, Fd: ws.slot, Pad: ws.generation}
	var ctlErr error
	err := ws.raw.Control(func(fd uintptr) { ctlErr = syscall.EpollCtl(p.fd, op, int(fd), &event) })
	return err == nil && ctlErr == nil
}

// remove forgets a connection that is being closed; the kernel forgets its
// descriptor by itself.
func (p *poller) remove(ws *wsConn) {
	if p == nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.freeSlot(ws)
}

// freeSlot frees a connection's slot, if it has one. mu is held.
func (p *poller) freeSlot(ws *wsConn) {
	if !ws.watched || p.watched[ws.slot].ws != ws { // not watched, or removed already
		return
	}
	w := &p.watched[ws.slot]
	w.ws, w.session = nil, nil
	w.generation++
	p.free = append(p.free, ws.slot)
}

// run starts a reader for each connection that has something to read, until the
// poller is closed.
func (p *poller) run() {
	raw, err := p.file.SyscallConn()
	if err != nil {
		return // it is closed
	}
	events := make([]syscall.EpollEvent, 128)
	for {
		n := 0
		var errno syscall.Errno
		err := raw.Read(func(fd uintptr) bool {
			n, errno = arrived(fd, events)
			return n > 0 || errno != 0 && errno != syscall.EINTR
		})
		if err != nil || errno != 0 {
			return
		}
		p.start(events[:n])
	}
}

// arrived is epoll_wait(2) without waiting, and therefore without telling Go's scheduler
// of it (see package recv).
func arrived(epoll uintptr, events []syscall.EpollEvent) (int, syscall.Errno) {
	n, _, errno := syscall.RawSyscall6(syscall.SYS_EPOLL_PWAIT, epoll, uintptr(unsafe.Pointer(&events[0])), uintptr(len(events)), 0, 0, 0)
	if errno != 0 {
		return 0, errno
	}
	return int(n), 0
}

// start starts the readers for a batch of events.
func (p *poller) start(events []syscall.EpollEvent) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, e := range events {
		w := p.watched[e.Fd]
		if w.ws == nil || w.generation != e.Pad {
			continue
		}
		p.server.goroutines.Go(func() { w.session.read(w.ws) })
	}
}

// close stops the poller. No connection may be watched any more. Further calls do
// nothing.
func (p *poller) close() {
	if p == nil {
		return
	}
	p.mu.Lock()
	p.closed = true
	p.mu.Unlock()
	_ = p.file.Close()
}
