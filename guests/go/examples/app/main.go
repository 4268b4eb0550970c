// app answers requests in JSON from the tables of the database it lives in:
//
//	CREATE VIRTUAL TABLE app USING sqlproxy_serve(module='go-app.wasm');
//	SELECT response FROM app WHERE request = '{"path": "/users/1"}';
package main

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/sqlbridge/sqlbridge/guests/go/sqlproxy"
	"github.com/sqlbridge/sqlbridge/guests/go/sqlproxy/driver"
)

// Request is what the query asks for. The method is GET where none is given.
type Request struct {
	Method string          `json:"method"`
	Path   string          `json:"path"`
	Body   json.RawMessage `json:"body"`
}

// User is a row of the table users.
type User struct {
	ID    int64   `json:"id"`
	Name  string  `json:"name"`
	Email *string `json:"email,omitempty"`
}

// app is the state that is kept between requests.
type app struct {
	db     *sql.DB
	served int
}

var errNotFound = errors.New("not found")

func init() {
	db, err := sql.Open("sqlproxy", "")
	if err != nil {
		panic(err)
	}
	a := &app{db: db}
	sqlproxy.Handle(a.handle)
}

func main() {}

// handle answers what went wrong in the request with a JSON object, too. An error of the program's own
// fails the query.
func (a *app) handle(ctx context.Context, body []byte) ([]byte, error) {
	a.served++
	var request Request
	if err := json.Unmarshal(body, &request); err != nil {
		return json.Marshal(map[string]any{"status": 400, "error": err.Error()})
	}
	answer, err := a.route(ctx, request)
	switch {
	case errors.Is(err, errNotFound), errors.Is(err, sql.ErrNoRows):
		return json.Marshal(map[string]any{"status": 404, "error": request.Path + " is not here"})
	case errors.Is(err, driver.ErrConstraint):
		return json.Marshal(map[string]any{"status": 409, "error": err.Error()})
	case err != nil:
		return nil, err
	}
	return json.Marshal(map[string]any{"status": 200, "body": answer})
}

// route is a tiny router: a method, a collection, and perhaps a key.
func (a *app) route(ctx context.Context, request Request) (any, error) {
	if request.Method == "" {
		request.Method = "GET"
	}
	collection, key, _ := strings.Cut(strings.Trim(request.Path, "/"), "/")
	switch request.Method + " " + collection {
	case "GET served":
		return a.served, nil
	case "GET users":
		if key == "" {
			return a.users(ctx)
		}
		return a.user(ctx, key)
	case "POST users":
		return a.add(ctx, request.Body)
	}
	return nil, errNotFound
}

func (a *app) users(ctx context.Context) ([]User, error) {
	rows, err := a.db.QueryContext(ctx, "SELECT id, name, email FROM users ORDER BY id")
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	users := []User{}
	for rows.Next() {
		var u User
		if err := rows.Scan(&u.ID, &u.Name, &u.Email); err != nil {
			return nil, err
		}
		users = append(users, u)
	}
	return users, rows.Err()
}

func (a *app) user(ctx context.Context, key string) (u User, err error) {
	err = a.db.QueryRowContext(ctx, "SELECT id, name, email FROM users WHERE id = ?", key).Scan(&u.ID, &u.Name, &u.Email)
	return u, err
}

// add stores users, all or none.
func (a *app) add(ctx context.Context, body []byte) (int, error) {
	var users []User
	if err := json.Unmarshal(body, &users); err != nil {
		return 0, fmt.Errorf("the body is a list of users: %w", err)
	}
	tx, err := a.db.BeginTx(ctx, nil)
	if err != nil {
		return 0, err
	}
	defer tx.Rollback()
	for _, u := range users {
		if _, err := tx.ExecContext(ctx, "INSERT INTO users(name, email) VALUES (?, ?)", u.Name, u.Email); err != nil {
			return 0, err
		}
	}
	return len(users), tx.Commit()
}
