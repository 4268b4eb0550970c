package driver

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"
)

// HostQueryHandler answers one request of the host interface. The request is valid during the call
// only; the response belongs to the driver from then on. Calls are made one at a time.
//
// An error means that there is no answer; the connection that asked is not used again. What goes
// wrong in SQL is an answer.
type HostQueryHandler func(request []byte) (response []byte, err error)

// SetHostHandler says who answers the requests of connections whose name has no handler. It has to be
// set before the first of them is opened, and is not needed in a guest. nil takes it away.
func SetHostHandler(handler HostQueryHandler) { RegisterHostHandler("", handler) }

// RegisterHostHandler is SetHostHandler for connections that name a handler: sql.Open("sqlproxy", name).
func RegisterHostHandler(name string, handler HostQueryHandler) {
	hosts.Lock()
	defer hosts.Unlock()
	if handler == nil {
		delete(hosts.named, name)
		return
	}
	hosts.named[name] = &host{answer: func(request, _ []byte) ([]byte, error) { return handler(request) }}
}

var hosts = struct {
	sync.Mutex
	named map[string]*host
}{named: builtin()}

func find(name string) (*host, error) {
	hosts.Lock()
	defer hosts.Unlock()
	if host := hosts.named[name]; host != nil {
		return host, nil
	}
	if name == "" {
		return nil, errors.New("sqlproxy: no host handler is set; call driver.SetHostHandler before the " +
			"first connection, or compile the program for GOOS=wasip1 and run it in the database")
	}
	known := slices.Sorted(maps.Keys(hosts.named))
	return nil, fmt.Errorf("sqlproxy: no host handler is named %q; registered are: %q", name, strings.Join(known, ", "))
}

// host is one handler and what its connections share.
type host struct {
	// answer may put the response in buffer, if that has room.
	answer func(request, buffer []byte) ([]byte, error)

	// calls lets one request through at a time: in a guest, an answer has to be fetched before the next
	// request is made.
	calls sync.Mutex

	// turns guards the fields below.
	turns   sync.Mutex
	waiting chan struct{} // closed when a transaction ends; nil if nobody waits
	conns   int64
}

func (h *host) newID() int64 {
	h.turns.Lock()
	defer h.turns.Unlock()
	h.conns++
	return h.conns - 1
}

func (h *host) call(request, buffer []byte) ([]byte, error) {
	h.calls.Lock()
	defer h.calls.Unlock()
	return h.answer(request, buffer)
}

// released wakes those who wait for the end of a transaction.
func (h *host) released() {
	h.turns.Lock()
	defer h.turns.Unlock()
	if h.waiting != nil {
		close(h.waiting)
		h.waiting = nil
	}
}

// wait lets others run, until a transaction ends but no longer than a while.
func (h *host) wait(ctx context.Context, while time.Duration) error {
	h.turns.Lock()
	if h.waiting == nil {
		h.waiting = make(chan struct{})
	}
	waiting := h.waiting
	h.turns.Unlock()

	timer := time.NewTimer(while)
	defer timer.Stop()
	select {
	case <-waiting:
	case <-timer.C:
	case <-ctx.Done():
	}
	return ctx.Err()
}
