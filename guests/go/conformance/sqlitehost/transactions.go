package sqlitehost

import "fmt"

type transaction struct {
	id       int64
	conn     int64
	name     string // what the program's own SQL text gave it
	begin    bool
	readOnly bool
}

func (t *transaction) savepoint() string { return fmt.Sprintf("sqlproxy_%d", t.id) }

// check: another connection's transaction keeps everybody out, and the transaction named is the innermost.
func (h *Host) check(conn int64, named any) error {
	if len(h.open) > 0 && h.open[0].conn != conn {
		return &wrong{5, fmt.Sprintf("connection %d of this program has transaction %d open; wait for its end", h.open[0].conn, h.open[0].id)}
	}
	if named == nil {
		return nil
	}
	_, err := h.innermost(conn, integer(named))
	return err
}

func (h *Host) find(conn, id int64) (int, error) {
	for i, t := range h.open {
		if t.id == id && t.conn == conn {
			return i, nil
		}
	}
	return 0, &wrong{21, fmt.Sprintf("there is no open transaction %d on connection %d", id, conn)}
}

func (h *Host) innermost(conn, id int64) (int, error) {
	place, err := h.find(conn, id)
	if err == nil && h.open[len(h.open)-1].id != id {
		return 0, &wrong{1, fmt.Sprintf("transaction %d is open inside transaction %d; end it first", h.open[len(h.open)-1].id, id)}
	}
	return place, err
}

func (h *Host) begin(conn int64, mode, name string, readOnly bool) (int64, error) {
	h.lastTx++
	t := transaction{id: h.lastTx, conn: conn, name: name, readOnly: readOnly}
	sql := "SAVEPOINT " + t.savepoint()
	if len(h.open) == 0 && (mode == "immediate" || mode == "exclusive") {
		sql, t.begin = "BEGIN "+mode, true
	}
	if err := h.db.Exec(sql); err != nil {
		return 0, err
	}
	h.open = append(h.open, t)
	return t.id, nil
}

func (h *Host) end(conn int64, how string, id any) error {
	if how == "rollback" {
		place, err := h.find(conn, integer(id))
		if err != nil {
			return err
		}
		return h.undo(place)
	}
	if err := h.noWritingCursor(); err != nil {
		return err
	}
	place, err := h.innermost(conn, integer(id))
	if err != nil {
		return err
	}
	return h.release(place)
}

func (h *Host) noWritingCursor() error {
	for id, c := range h.cursors {
		if !c.stmt.ReadOnly() {
			return &wrong{1, fmt.Sprintf("rows of statements that change the database are not all read: cursor %d (%s)", id, c.sql)}
		}
	}
	return nil
}

func (h *Host) release(place int) error {
	if place >= len(h.open) {
		return nil
	}
	sql := "RELEASE " + h.open[place].savepoint()
	if h.open[place].begin {
		sql = "COMMIT"
	}
	if err := h.db.Exec(sql); err != nil {
		return err
	}
	h.open = h.open[:place]
	return nil
}

func (h *Host) undo(place int) error {
	if place >= len(h.open) {
		return nil
	}
	if h.open[place].begin {
		err := h.db.Exec("ROLLBACK")
		h.open = h.open[:place]
		return err
	}
	if err := h.db.Exec("ROLLBACK TO " + h.open[place].savepoint()); err != nil {
		return err
	}
	return h.release(place)
}

// text does a transaction command that was given as SQL.
func (h *Host) text(conn int64, words []string) error {
	last := words[len(words)-1]
	switch words[0] {
	case "BEGIN":
		if len(h.open) > 0 {
			return &wrong{1, "cannot start a transaction within a transaction"}
		}
		mode := ""
		if len(words) > 1 && words[1] != "TRANSACTION" {
			mode = map[string]string{"IMMEDIATE": "immediate", "EXCLUSIVE": "exclusive"}[words[1]]
		}
		_, err := h.begin(conn, mode, "", false)
		return err
	case "SAVEPOINT":
		_, err := h.begin(conn, "", last, false)
		return err
	case "COMMIT", "END":
		if len(h.open) == 0 {
			return &wrong{1, "cannot commit - no transaction is active"}
		}
		if err := h.noWritingCursor(); err != nil {
			return err
		}
		return h.release(0)
	case "RELEASE":
		place, err := h.named(last)
		if err != nil {
			return err
		}
		return h.release(place)
	}
	for _, word := range words {
		if word == "TO" {
			place, err := h.named(last)
			if err != nil {
				return err
			}
			err = h.db.Exec("ROLLBACK TO " + h.open[place].savepoint())
			h.open = h.open[:place+1]
			return err
		}
	}
	if len(h.open) == 0 {
		return &wrong{1, "cannot rollback - no transaction is active"}
	}
	return h.undo(0)
}

func (h *Host) named(name string) (int, error) {
	for i := len(h.open) - 1; i >= 0; i-- {
		if h.open[i].name == name {
			return i, nil
		}
	}
	return 0, &wrong{1, "no such savepoint: " + name}
}
