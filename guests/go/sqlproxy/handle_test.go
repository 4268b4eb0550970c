package sqlproxy

import (
	"context"
	"errors"
	"strings"
	"testing"
)

func TestRespond(t *testing.T) {
	ask := func() (string, error) {
		answer, err := Respond(context.Background(), []byte("request"))
		return string(answer), err
	}
	serving = service{}
	if _, err := ask(); err == nil || !strings.Contains(err.Error(), "sqlproxy.Handle") {
		t.Errorf("got %v", err)
	}
	Handle(func(_ context.Context, request []byte) ([]byte, error) { return append(request, '!'), nil })
	if answer, err := ask(); answer != "request!" || err != nil {
		t.Errorf("got %q, %v", answer, err)
	}
	Handle(func(context.Context, []byte) ([]byte, error) { return []byte{0xff}, nil })
	if _, err := ask(); err == nil || !strings.Contains(err.Error(), "HandleBlob") {
		t.Errorf("got %v", err)
	}
	HandleBlob(func(context.Context, []byte) ([]byte, error) { return []byte{0xff}, nil })
	if answer, err := ask(); answer != "\xff" || err != nil {
		t.Errorf("got %q, %v", answer, err)
	}
	Handle(func(context.Context, []byte) ([]byte, error) { return nil, nil })
	if answer, err := Respond(context.Background(), nil); answer != nil || err != nil {
		t.Errorf("got %q, %v", answer, err)
	}
	Handle(func(context.Context, []byte) ([]byte, error) { return nil, errors.New("no") })
	if _, err := ask(); err == nil || err.Error() != "no" {
		t.Errorf("got %v", err)
	}
	Handle(func(context.Context, []byte) ([]byte, error) { panic("oh") })
	if _, err := ask(); err == nil || err.Error() != "the program panicked: oh" {
		t.Errorf("got %v", err)
	}
}
