package driver

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"time"

	"github.com/sqlbridge/sqlbridge/guests/go/internal/request"
	"github.com/sqlbridge/sqlbridge/guests/go/internal/wire"
)

// command is one request of the host interface; fields that are zero are not sent.
type command struct {
	request  []byte // the whole request, where that is known
	prefix   []byte // how the request begins, where that is known: as many fields as entries says
	entries  int
	name     string
	sql      string
	values   values
	cursor   int64
	id       int64 // of a statement
	tx       int64 // if it is not the connection's own transaction
	fetch    int
	mode     string
	readOnly bool
}

// answer is what the host said, with the reader behind the head of its map.
type answer struct {
	wire.Reader
	left   int    // entries of the map not read yet
	buffer []byte // to be given back
}

var errMalformed = errors.New("the answer is not as the host interface has it")

// send makes a request. Where the database is busy with something that may end, it waits, as long as
// busy_timeout allows.
func (c *conn) send(ctx context.Context, cmd *command) (answer, error) {
	answered, err := c.once(ctx, cmd)
	if err == nil || c.tx != nil || !isPlainBusy(err) {
		return answered, err
	}
	pause := time.Millisecond
	for left := c.options.busyTimeout; left > 0 && isPlainBusy(err); left -= pause {
		pause = min(pause*2, left, 50*time.Millisecond)
		if waited := c.host.wait(ctx, pause); waited != nil {
			return answer{}, waited
		}
		answered, err = c.once(ctx, cmd)
	}
	return answered, err
}

// isPlainBusy: another connection of the program, or another program, has what is needed. Not the
// extended codes: they do not pass by waiting.
func isPlainBusy(err error) bool {
	var failure *Error
	return errors.As(err, &failure) && failure.Extended == codeBusy
}

func (c *conn) once(ctx context.Context, cmd *command) (answer, error) {
	if c.broken {
		return answer{}, driver.ErrBadConn
	}
	if err := ctx.Err(); err != nil {
		return answer{}, err
	}
	if err := c.tx.alive(); err != nil {
		return answer{}, err
	}
	request := cmd.request
	if request == nil {
		if err := c.encode(ctx, cmd); err != nil {
			return answer{}, err
		}
		request = c.out.Bytes()
	}
	buffer := c.spare
	c.spare = nil
	response, err := c.host.call(request, buffer)
	if err != nil {
		// Whether the request was carried out nobody knows: so not ErrBadConn, which makes
		// database/sql repeat it.
		c.broken = true
		return answer{}, err
	}
	if c.options.json {
		if response, err = wire.FromJSON(nil, response); err != nil {
			return answer{}, c.malformed(err)
		}
	}
	answered := answer{Reader: wire.Reader{Bytes: response}, buffer: response}
	if answered.left, err = answered.Map(); err != nil {
		return answer{}, c.malformed(err)
	}
	if err := c.failure(ctx, &answered); err != nil {
		c.release(&answered)
		return answer{}, err
	}
	return answered, nil
}

// failure is the error that an answer consists of.
func (c *conn) failure(ctx context.Context, answered *answer) error {
	const key = "\xa5error"
	if answered.left != 1 || len(answered.Bytes)-answered.At < len(key) ||
		string(answered.Bytes[answered.At:answered.At+len(key)]) != key {
		return nil
	}
	answered.At += len(key)
	err := readError(&answered.Reader)
	failure, ok := err.(*Error)
	if !ok {
		return c.malformed(err)
	}
	failure.because(ctx)
	return failure
}

// malformed is for an answer that cannot be read: what the host has open is unknown from then on.
func (c *conn) malformed(err error) error {
	c.broken = true
	return fmt.Errorf("sqlproxy: the host's answer cannot be read: %w", err)
}

// Larger buffers are not kept.
const largestSpare = 1 << 20

// release gives an answer's buffer back for the next request.
func (c *conn) release(answered *answer) {
	if c.spare == nil && cap(answered.buffer) <= largestSpare {
		c.spare = answered.buffer[:0]
	}
	answered.buffer = nil
}

// entries reads the rest of an answer's map; read is given each key, and reads its value, or returns
// false for one it does not know.
func (c *conn) entries(answered *answer, read func(key string) (bool, error)) error {
	for ; answered.left > 0; answered.left-- {
		key, err := answered.Text()
		if err != nil {
			return c.malformed(err)
		}
		known, err := read(string(key))
		if err == nil && !known {
			err = answered.Skip()
		}
		if err != nil {
			return c.malformed(err)
		}
	}
	return nil
}

func (c *conn) encode(ctx context.Context, cmd *command) error {
	e, fields, mark := &c.out, cmd.entries, wire.Mark(0)
	if cmd.prefix != nil {
		e.Continue(c.options.json, cmd.prefix)
	} else {
		e.Start(c.options.json)
		mark, fields = cmd.begin(e)
	}
	if len(cmd.values.list) > 0 {
		e.Key("args")
		if err := cmd.values.write(e, c.options.times); err != nil {
			return err
		}
		fields++
	}
	return c.finish(ctx, e, cmd, mark, fields)
}

// finish writes the fields that come after values, and ends the request.
func (c *conn) finish(ctx context.Context, e *wire.Encoder, cmd *command, mark wire.Mark, fields int) error {
	fields += field(e, "cursor_id", cmd.cursor)
	fields += field(e, "stmt_id", cmd.id)
	fields += field(e, "conn_id", c.id)
	tx := cmd.tx
	if tx == 0 {
		tx = c.tx.named()
	}
	fields += field(e, "tx_id", tx)
	if cmd.mode != "" {
		e.Key("mode")
		e.String(cmd.mode)
		fields++
	}
	if cmd.readOnly {
		e.Key("read_only")
		e.Bool(true)
		fields++
	}
	if deadline, ok := ctx.Deadline(); ok {
		left := time.Until(deadline)
		if left <= 0 {
			return context.DeadlineExceeded
		}
		fields += field(e, "timeout_ms", int64((left+time.Millisecond-1)/time.Millisecond))
	}
	e.EndMap(mark, fields)
	return nil
}

// begin writes what does not change from one request to the next of the same statement.
func (cmd *command) begin(e *wire.Encoder) (mark wire.Mark, fields int) {
	mark, fields = e.BeginMap(), 1
	e.Key("command")
	e.String(cmd.name)
	if cmd.sql != "" {
		e.Key("sql")
		e.String(cmd.sql)
		fields++
	}
	return mark, fields + field(e, "fetch", int64(cmd.fetch))
}

// prefix is how a request begins.
func (c *conn) prefix(cmd *command) []byte {
	var e wire.Encoder
	e.Start(c.options.json)
	cmd.begin(&e)
	return e.Bytes()
}

// field writes a field that is not zero.
func field(e *wire.Encoder, key string, value int64) int {
	if value == 0 {
		return 0
	}
	e.Key(key)
	e.Int(value)
	return 1
}

// currentRequest is the request of the host's that is being served, by whose end all ends that the host keeps.
func currentRequest() uint64 { return request.Number() }
