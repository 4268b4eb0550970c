// Package sqlitehost is the host interface of sqlbridge over a SQLite of its own, for tests of the
// driver outside of a database. It follows docs/host-interface.md; requests are read, and answers
// written, with other people's MessagePack and JSON, so that it does not share the driver's mistakes.
//
//	host.go          a host: sessions, commands
//	transactions.go  the transactions of a program
//	request.go       reading requests
//	answer.go        writing answers
package sqlitehost

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/ncruces/go-sqlite3"
)

// Host answers requests on one connection to SQLite.
type Host struct {
	db      *sqlite3.Conn
	grant   func(sql string) error
	limits  Limits
	idle    map[string][]*sqlite3.Stmt
	stmts   map[int64]prepared
	cursors map[int64]*cursor
	open    []transaction
	lastID  int64
	lastTx  int64
	// Requests counts the requests by command.
	Requests map[string]int
}

// Limits are what a program may have at a time.
type Limits struct{ Statements, Cursors, ResultBytes int }

type prepared struct {
	conn int64
	sql  string
}

type cursor struct {
	conn  int64
	stmt  *sqlite3.Stmt
	sql   string
	fetch int
}

// Open opens a database: a file name or ":memory:".
func Open(name string) (*Host, error) {
	db, err := sqlite3.Open(name)
	if err != nil {
		return nil, err
	}
	h := &Host{db: db, limits: Limits{128, 64, 16 << 20}}
	h.forget()
	return h, nil
}

// Raw is the connection to SQLite itself.
func (h *Host) Raw() *sqlite3.Conn { return h.db }

// SetLimits changes the limits.
func (h *Host) SetLimits(limits Limits) { h.limits = limits }

// Idle tells whether nothing is open: no cursor, no statement, no transaction.
func (h *Host) Idle() error {
	if len(h.cursors)+len(h.stmts)+len(h.open) > 0 {
		return fmt.Errorf("left open: %d cursors, %d statements, %d transactions", len(h.cursors), len(h.stmts), len(h.open))
	}
	return nil
}

// EndSession ends what a call of the program left behind, as the real host does after each.
func (h *Host) EndSession() error {
	for _, c := range h.cursors {
		c.stmt.Close()
	}
	err := h.undo(0)
	for _, list := range h.idle {
		for _, stmt := range list {
			stmt.Close()
		}
	}
	h.forget()
	return err
}

// Close closes the database.
func (h *Host) Close() error {
	return errors.Join(h.EndSession(), h.db.Close())
}

func (h *Host) forget() {
	h.idle = map[string][]*sqlite3.Stmt{}
	h.stmts = map[int64]prepared{}
	h.cursors = map[int64]*cursor{}
	h.open = nil
	h.lastID, h.lastTx = 0, 0
	if h.Requests == nil {
		h.Requests = map[string]int{}
	}
}

// Handle answers one request.
func (h *Host) Handle(request []byte) ([]byte, error) {
	json := len(request) > 0 && request[0] == '{'
	fields, err := parse(request, json)
	if err != nil {
		return encode(failure(&wrong{21, "the request is not understood: " + err.Error()}), json)
	}
	out := h.serve(fields)
	return encode(out, json)
}

func (h *Host) serve(fields map[string]any) object {
	name, _ := fields["command"].(string)
	h.Requests[name]++
	ctx := context.Background()
	if ms, ok := fields["timeout_ms"].(int64); ok {
		limited, cancel := context.WithTimeout(ctx, time.Duration(ms)*time.Millisecond)
		defer cancel()
		ctx = limited
	}
	old := h.db.SetInterrupt(ctx)
	out, err := h.command(name, fields)
	h.db.SetInterrupt(old)
	if len(h.open) > 0 && h.db.GetAutocommit() {
		h.open = nil
	}
	if err != nil {
		return failure(err)
	}
	return out
}

func (h *Host) command(name string, f map[string]any) (object, error) {
	conn := integer(f["conn_id"])
	switch name {
	case "query", "exec", "begin_tx":
		if err := h.check(conn, f["tx_id"]); err != nil {
			return nil, err
		}
	}
	switch name {
	case "query":
		return h.query(conn, f)
	case "exec":
		return h.exec(conn, f)
	case "fetch":
		return h.fetch(conn, f)
	case "close_rows":
		c, err := h.cursor(conn, f)
		if err != nil {
			return nil, err
		}
		h.put(c.sql, c.stmt)
		delete(h.cursors, integer(f["cursor_id"]))
		return object{}, nil
	case "prepare":
		return h.prepare(conn, f)
	case "close_stmt":
		id := integer(f["stmt_id"])
		if p, ok := h.stmts[id]; !ok || p.conn != conn {
			return nil, &wrong{21, fmt.Sprintf("there is no prepared statement %d on connection %d", id, conn)}
		}
		delete(h.stmts, id)
		return object{}, nil
	case "begin_tx":
		mode, _ := f["mode"].(string)
		readOnly, _ := f["read_only"].(bool)
		id, err := h.begin(conn, mode, "", readOnly)
		return object{{"tx_id", id}}, err
	case "commit", "rollback":
		return object{}, h.end(conn, name, f["tx_id"])
	case "ping":
		return object{{"version", int64(1)}, {"sqlite", "3"}}, nil
	case "close_conn":
		return object{}, h.closeConn(conn)
	}
	return nil, &wrong{21, fmt.Sprintf("there is no command %q", name)}
}

// take is a compiled statement; nil where the text is a transaction command, which is done then.
func (h *Host) take(conn int64, f map[string]any) (string, *sqlite3.Stmt, error) {
	sql, ok := f["sql"].(string)
	if !ok {
		p, known := h.stmts[integer(f["stmt_id"])]
		if !known || p.conn != conn {
			return "", nil, &wrong{21, fmt.Sprintf("there is no prepared statement %v on connection %d", f["stmt_id"], conn)}
		}
		sql = p.sql
	}
	if words := transactionWords(sql); words != nil {
		return sql, nil, h.text(conn, words)
	}
	stmt, err := h.compiled(sql)
	if err != nil {
		return "", nil, err
	}
	if !stmt.ReadOnly() {
		for _, t := range h.open {
			if t.readOnly {
				h.put(sql, stmt)
				return "", nil, &wrong{8, fmt.Sprintf("transaction %d was begun read-only, and this statement changes the database", t.id)}
			}
		}
	}
	return sql, stmt, nil
}

func (h *Host) compiled(sql string) (*sqlite3.Stmt, error) {
	if list := h.idle[sql]; len(list) > 0 {
		stmt := list[len(list)-1]
		h.idle[sql] = list[:len(list)-1]
		return stmt, nil
	}
	stmt, tail, err := h.db.Prepare(sql)
	if err != nil {
		return nil, err
	}
	if stmt == nil {
		return nil, &wrong{21, "the SQL text holds no statement"}
	}
	if another, _, err := h.db.Prepare(tail); another != nil || err != nil {
		stmt.Close()
		if another != nil {
			another.Close()
		}
		return nil, &wrong{21, "the SQL text holds more than one statement; send them one by one, or as a batch"}
	}
	return stmt, nil
}

func (h *Host) put(sql string, stmt *sqlite3.Stmt) {
	stmt.Reset()
	stmt.ClearBindings()
	h.idle[sql] = append(h.idle[sql], stmt)
}

func (h *Host) query(conn int64, f map[string]any) (object, error) {
	fetch := int(integer(f["fetch"]))
	if fetch > 0 && len(h.cursors) >= h.limits.Cursors {
		return nil, &wrong{21, fmt.Sprintf("more than %d open cursors (limit cursors)", h.limits.Cursors)}
	}
	sql, stmt, err := h.take(conn, f)
	if err != nil {
		return nil, err
	}
	if stmt == nil {
		return object{{"columns", []any{}}, {"decltypes", []any{}}, {"rows", []any{}}}, nil
	}
	if err := bind(stmt, f["args"]); err != nil {
		h.put(sql, stmt)
		return nil, err
	}
	row := stmt.Step()
	columns, types := describe(stmt)
	rows, more, err := h.rows(stmt, row, fetch)
	if err != nil {
		h.put(sql, stmt)
		return nil, err
	}
	out := object{{"columns", columns}, {"decltypes", types}, {"rows", rows}}
	if !more {
		h.put(sql, stmt)
		return out, nil
	}
	h.lastID++
	h.cursors[h.lastID] = &cursor{conn, stmt, sql, fetch}
	return append(out, field{"cursor_id", h.lastID}), nil
}

func (h *Host) rows(stmt *sqlite3.Stmt, row bool, most int) (rows []any, more bool, err error) {
	rows = []any{}
	size := 0
	for row {
		if most > 0 && (len(rows) == most || size > h.limits.ResultBytes/2) {
			return rows, true, nil
		}
		values := make([]any, stmt.ColumnCount())
		for i := range values {
			values[i] = column(stmt, i)
			size += 9
			if text, ok := values[i].(string); ok {
				size += len(text)
			} else if blob, ok := values[i].([]byte); ok {
				size += len(blob)
			}
		}
		rows = append(rows, values)
		if size > h.limits.ResultBytes {
			return nil, false, &wrong{18, fmt.Sprintf("the answer is larger than %d bytes (limit result_bytes)", h.limits.ResultBytes)}
		}
		row = stmt.Step()
	}
	return rows, false, stmt.Err()
}

func (h *Host) fetch(conn int64, f map[string]any) (object, error) {
	c, err := h.cursor(conn, f)
	if err != nil {
		return nil, err
	}
	fetch := c.fetch
	if n, ok := f["fetch"].(int64); ok {
		fetch = int(n)
	}
	rows, more, err := h.rows(c.stmt, true, fetch)
	if err != nil || !more {
		delete(h.cursors, integer(f["cursor_id"]))
		h.put(c.sql, c.stmt)
	}
	return object{{"rows", rows}, {"done", !more}}, err
}

func (h *Host) cursor(conn int64, f map[string]any) (*cursor, error) {
	id := integer(f["cursor_id"])
	if c := h.cursors[id]; c != nil && c.conn == conn {
		return c, nil
	}
	return nil, &wrong{21, fmt.Sprintf("there is no open cursor %d on connection %d", id, conn)}
}

func (h *Host) exec(conn int64, f map[string]any) (object, error) {
	sql, stmt, err := h.take(conn, f)
	if err != nil {
		return nil, err
	}
	changed := int64(0)
	if stmt != nil {
		if rows, many := f["rows"].([]any); many {
			changed, err = h.many(conn, stmt, rows)
		} else {
			changed, err = h.run(stmt, f["args"])
		}
		h.put(sql, stmt)
		if err != nil {
			return nil, err
		}
	}
	return object{{"last_insert_id", h.db.LastInsertRowID()}, {"rows_affected", changed}}, nil
}

func (h *Host) run(stmt *sqlite3.Stmt, args any) (changed int64, err error) {
	before := h.db.TotalChanges()
	if err := bind(stmt, args); err != nil {
		return 0, err
	}
	for stmt.Step() {
	}
	if h.db.TotalChanges() != before {
		changed = h.db.Changes()
	}
	return changed, stmt.Err()
}

// many runs a statement for all rows of values, or for none.
func (h *Host) many(conn int64, stmt *sqlite3.Stmt, rows []any) (changed int64, err error) {
	id, err := h.begin(conn, "", "", false)
	if err != nil {
		return 0, err
	}
	for i, row := range rows {
		count, err := h.run(stmt, row)
		stmt.Reset()
		if err != nil {
			return 0, errors.Join(&inRow{err, int64(i + 1)}, h.end(conn, "rollback", id))
		}
		changed += count
	}
	return changed, h.end(conn, "commit", id)
}

func (h *Host) prepare(conn int64, f map[string]any) (object, error) {
	if len(h.stmts) >= h.limits.Statements {
		return nil, &wrong{21, fmt.Sprintf("more than %d prepared statements (limit statements); close some", h.limits.Statements)}
	}
	sql, _ := f["sql"].(string)
	h.lastID++
	out := object{{"stmt_id", h.lastID}}
	h.stmts[h.lastID] = prepared{conn, sql}
	if transactionWords(sql) != nil {
		return append(out, field{"num_input", int64(0)}, field{"parameters", []any{}}, field{"columns", []any{}},
			field{"decltypes", []any{}}, field{"read_only", true}), nil
	}
	stmt, err := h.compiled(sql)
	if err != nil {
		delete(h.stmts, h.lastID)
		return nil, err
	}
	defer h.put(sql, stmt)
	names := []any{}
	for i := 1; i <= stmt.BindCount(); i++ {
		if name := stmt.BindName(i); name != "" {
			names = append(names, name)
		} else {
			names = append(names, nil)
		}
	}
	columns, types := describe(stmt)
	return append(out, field{"num_input", int64(len(names))}, field{"parameters", names}, field{"columns", columns},
		field{"decltypes", types}, field{"read_only", stmt.ReadOnly()}), nil
}

func (h *Host) closeConn(conn int64) error {
	for id, c := range h.cursors {
		if c.conn == conn {
			h.put(c.sql, c.stmt)
			delete(h.cursors, id)
		}
	}
	for id, p := range h.stmts {
		if p.conn == conn {
			delete(h.stmts, id)
		}
	}
	if len(h.open) > 0 && h.open[0].conn == conn {
		return h.undo(0)
	}
	return nil
}

func describe(stmt *sqlite3.Stmt) (columns, types []any) {
	columns, types = []any{}, []any{}
	for i := range stmt.ColumnCount() {
		columns = append(columns, stmt.ColumnName(i))
		if declared := stmt.ColumnDeclType(i); declared != "" {
			types = append(types, declared)
		} else {
			types = append(types, nil)
		}
	}
	return columns, types
}

func column(stmt *sqlite3.Stmt, i int) any {
	switch stmt.ColumnType(i) {
	case sqlite3.INTEGER:
		return stmt.ColumnInt64(i)
	case sqlite3.FLOAT:
		return stmt.ColumnFloat(i)
	case sqlite3.TEXT:
		return string(stmt.ColumnRawText(i))
	case sqlite3.BLOB:
		return append([]byte{}, stmt.ColumnRawBlob(i)...)
	}
	return nil
}

func bind(stmt *sqlite3.Stmt, args any) error {
	count := stmt.BindCount()
	bound := make([]bool, count)
	switch args := args.(type) {
	case nil:
		if count > 0 {
			return &wrong{25, fmt.Sprintf("the statement has %d parameters, the request 0 values", count)}
		}
	case []any:
		if len(args) != count {
			return &wrong{25, fmt.Sprintf("the statement has %d parameters, the request %d values", count, len(args))}
		}
		for i, value := range args {
			if err := bindOne(stmt, i+1, value); err != nil {
				return err
			}
		}
		return nil
	case map[string]any:
		for name, value := range args {
			index := stmt.BindIndex(name)
			for _, mark := range []string{":", "@", "$"} {
				if index == 0 {
					index = stmt.BindIndex(mark + name)
				}
			}
			if index == 0 {
				return &wrong{25, "the statement has no parameter " + name}
			}
			bound[index-1] = true
			if err := bindOne(stmt, index, value); err != nil {
				return err
			}
		}
		for i, given := range bound {
			if !given {
				return &wrong{25, "there is no value for parameter " + stmt.BindName(i+1)}
			}
		}
	default:
		return &wrong{21, "args is a list or an object"}
	}
	return nil
}

func bindOne(stmt *sqlite3.Stmt, index int, value any) error {
	switch v := value.(type) {
	case nil:
		return stmt.BindNull(index)
	case bool:
		return stmt.BindBool(index, v)
	case int64:
		return stmt.BindInt64(index, v)
	case float64:
		return stmt.BindFloat(index, v)
	case string:
		return stmt.BindText(index, v)
	case []byte:
		return stmt.BindBlob(index, v)
	}
	return &wrong{21, fmt.Sprintf("a value of the type %T", value)}
}

func integer(value any) int64 {
	n, _ := value.(int64)
	return n
}

// transactionWords are the words of a transaction command; nil for other statements.
func transactionWords(sql string) []string {
	words := strings.Fields(strings.ToUpper(strings.TrimRight(strings.TrimSpace(sql), "; \n")))
	if len(words) == 0 {
		return nil
	}
	switch words[0] {
	case "BEGIN", "COMMIT", "END", "ROLLBACK", "SAVEPOINT", "RELEASE":
		return words
	}
	return nil
}
