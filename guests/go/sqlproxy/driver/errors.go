package driver

import (
	"context"
	"strings"
	"time"

	"github.com/sqlbridge/sqlbridge/guests/go/internal/wire"
)

// Error is what the host, or SQLite, says of a request that failed.
//
//	var failure *driver.Error
//	if errors.As(err, &failure) { ... failure.Code ... }
//	if errors.Is(err, driver.ErrConstraint) { ... }
type Error struct {
	Code     ErrorCode // the name of the extended code
	Extended int       // its number
	Message  string
	// Statement is the number, from 1, of the statement that failed in a text of several; else 0.
	Statement int
	// Row is the number, from 1, of the row of Many that failed; else 0.
	Row int

	cause error
}

// ErrorCode is the name of one of SQLite's codes: https://www.sqlite.org/rescode.html. As an error it
// is a target for errors.Is: a primary code stands for all its extended ones.
type ErrorCode string

// The codes programs act on. Any other is ErrorCode("SQLITE_...").
const (
	ErrBusy                 ErrorCode = "SQLITE_BUSY"
	ErrBusySnapshot         ErrorCode = "SQLITE_BUSY_SNAPSHOT"
	ErrLocked               ErrorCode = "SQLITE_LOCKED"
	ErrReadOnly             ErrorCode = "SQLITE_READONLY"
	ErrInterrupt            ErrorCode = "SQLITE_INTERRUPT"
	ErrFull                 ErrorCode = "SQLITE_FULL"
	ErrTooBig               ErrorCode = "SQLITE_TOOBIG"
	ErrMisuse               ErrorCode = "SQLITE_MISUSE"
	ErrAuth                 ErrorCode = "SQLITE_AUTH"
	ErrRange                ErrorCode = "SQLITE_RANGE"
	ErrConstraint           ErrorCode = "SQLITE_CONSTRAINT"
	ErrConstraintCheck      ErrorCode = "SQLITE_CONSTRAINT_CHECK"
	ErrConstraintForeignKey ErrorCode = "SQLITE_CONSTRAINT_FOREIGNKEY"
	ErrConstraintNotNull    ErrorCode = "SQLITE_CONSTRAINT_NOTNULL"
	ErrConstraintPrimaryKey ErrorCode = "SQLITE_CONSTRAINT_PRIMARYKEY"
	ErrConstraintUnique     ErrorCode = "SQLITE_CONSTRAINT_UNIQUE"
)

// Error is the code itself.
func (c ErrorCode) Error() string { return string(c) }

// Error is the message with the code.
func (e *Error) Error() string {
	text := e.Message + " (" + string(e.Code) + ")"
	if e.Row > 0 {
		text += ", in row " + itoa(e.Row)
	}
	if e.Statement > 0 {
		text += ", in statement " + itoa(e.Statement) + " of the text"
	}
	return text
}

// Is compares with an ErrorCode.
func (e *Error) Is(target error) bool {
	code, ok := target.(ErrorCode)
	return ok && (e.Code == code || strings.HasPrefix(string(e.Code), string(code)+"_"))
}

// Unwrap is context.DeadlineExceeded or context.Canceled where that is why a statement was stopped.
func (e *Error) Unwrap() error { return e.cause }

// MarshalJSON has the fields and numbers of mattn/go-sqlite3's error, by which GORM tells a duplicate
// key from other errors.
func (e *Error) MarshalJSON() ([]byte, error) {
	var out wire.Encoder
	out.Start(true)
	mark := out.BeginMap()
	out.Key("Code")
	out.Int(int64(e.Extended & 0xff))
	out.Key("ExtendedCode")
	out.Int(int64(e.Extended))
	out.Key("Message")
	out.String(e.Message)
	out.EndMap(mark, 3)
	return out.Bytes(), nil
}

const (
	codeBusy      = 5
	codeInterrupt = 9
	codeMisuse    = 21
)

// readError reads what is under the key "error" of an answer.
func readError(r *wire.Reader) error {
	count, err := r.Map()
	if err != nil {
		return err
	}
	failure := &Error{}
	for range count {
		key, err := r.Text()
		if err != nil {
			return err
		}
		switch string(key) {
		case "code":
			code, err := r.Text()
			if err != nil {
				return err
			}
			failure.Code = ErrorCode(code)
		case "extended":
			extended, err := r.Int()
			if err != nil {
				return err
			}
			failure.Extended = int(extended)
		case "message":
			message, err := r.Text()
			if err != nil {
				return err
			}
			failure.Message = string(message)
		case "row":
			row, err := r.Int()
			if err != nil {
				return err
			}
			failure.Row = int(row)
		default:
			if err := r.Skip(); err != nil {
				return err
			}
		}
	}
	return failure
}

// because adds to an interrupt that the context was at its end. Its timer may not have fired yet: in a
// guest nothing else runs while the host works.
func (e *Error) because(ctx context.Context) {
	if e.Extended != codeInterrupt {
		return
	}
	if e.cause = ctx.Err(); e.cause != nil {
		return
	}
	if deadline, ok := ctx.Deadline(); ok && time.Until(deadline) <= 2*time.Millisecond {
		e.cause = context.DeadlineExceeded
	}
}
