// Package sqlproxy is for programs that are kept alive inside a database and answer requests:
//
//	CREATE VIRTUAL TABLE app USING sqlproxy_serve(module='app.wasm');
//	SELECT response FROM app WHERE request = '{"path":"/users/1"}';
//
// Such a program says in an init function who answers, and is compiled as a reactor:
//
//	func init() { sqlproxy.Handle(answer) }
//	func main() {}
//
//	GOOS=wasip1 GOARCH=wasm go build -buildmode=c-shared -o app.wasm .
package sqlproxy

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime/debug"
	"unicode/utf8"

	"github.com/sqlbridge/sqlbridge/guests/go/internal/request"
)

// Handler answers a request. The request is its own. An answer of nil is NULL; an error's text is what
// the query fails with, and so is a panic's.
//
// What is open when it returns (rows, transactions) is closed and rolled back by the host; state in Go's
// variables stays for the next request.
type Handler func(ctx context.Context, request []byte) ([]byte, error)

// Handle says who answers requests. Answers are texts.
func Handle(handler Handler) { serving = service{handler, kindText} }

// HandleBlob says who answers requests. Answers are blobs.
func HandleBlob(handler Handler) { serving = service{handler, kindBlob} }

// The kinds of answers.
const (
	kindText  = 0
	kindBlob  = 1
	kindError = 2
	kindNull  = 3
)

type service struct {
	handler Handler
	kind    int32
}

var serving service

// Respond answers one request as the host would have it answered, for tests outside of a database.
func Respond(ctx context.Context, request []byte) ([]byte, error) {
	kind, answer := serving.respond(ctx, request)
	switch kind {
	case kindError:
		return nil, errors.New(string(answer))
	case kindNull:
		return nil, nil
	}
	return answer, nil
}

func (s service) respond(ctx context.Context, body []byte) (kind int32, answer []byte) {
	request.Begin()
	defer func() {
		if reason := recover(); reason != nil {
			fmt.Fprintf(os.Stderr, "panic: %v\n\n%s", reason, debug.Stack())
			kind, answer = kindError, fmt.Appendf(nil, "the program panicked: %v", reason)
		}
	}()
	if s.handler == nil {
		return kindError, []byte("the program answers no requests: it has to call sqlproxy.Handle in an init function")
	}
	answer, err := s.handler(ctx, body)
	switch {
	case err != nil:
		return kindError, []byte(err.Error())
	case answer == nil:
		return kindNull, nil
	case s.kind == kindText && !utf8.Valid(answer):
		return kindError, []byte("the program's answer is not UTF-8; sqlproxy.HandleBlob is for other answers")
	}
	return s.kind, answer
}
