package driver

import "strings"

// text is an SQL text, taken apart.
type text struct {
	statements []*statement
}

// statement is one statement of a text, and what is known about it.
type statement struct {
	sql   string
	verb  verb
	input int      // parameters; -1: not asked yet
	names []string // of the parameters, "" for those without
	shape *shape   // of its last rows

	// How a request begins that runs it.
	query, exec []byte
}

// verb tells the commands apart that begin and end transactions.
type verb byte

const (
	other verb = iota
	begins
	ends
	savepoint // SAVEPOINT, RELEASE, ROLLBACK TO
)

// split takes a text apart. Nothing but white space and comments is no statement.
func split(sql string) *text {
	t := &text{}
	start, scan := 0, scanner{text: sql}
	for scan.next() {
		if scan.ended {
			t.add(sql[start : scan.at-1])
			start = scan.at
		}
	}
	if start == 0 {
		t.add(sql)
	} else {
		t.add(sql[start:])
	}
	return t
}

func (t *text) add(sql string) {
	scan := scanner{text: sql}
	word := ""
	for scan.next() {
		if scan.token == semicolon || scan.token == space {
			continue
		}
		word = scan.word()
		break
	}
	if word == "" {
		return
	}
	s := &statement{sql: sql, input: -1}
	switch strings.ToUpper(word) {
	case "BEGIN":
		s.verb = begins
	case "COMMIT", "END":
		s.verb = ends
	case "SAVEPOINT", "RELEASE":
		s.verb = savepoint
	case "ROLLBACK":
		s.verb = ends
		for scan.next() {
			if strings.EqualFold(scan.word(), "TO") {
				s.verb = savepoint
			}
		}
	}
	t.statements = append(t.statements, s)
}

// scanner reads tokens as far as it takes to see where a statement ends: what sqlite3_complete() does,
// https://www.sqlite.org/c3ref/complete.html. In a trigger, that is where END stands between semicolons.
type scanner struct {
	text  string
	from  int // where the token begins
	at    int // where it ends
	token token
	state state
	ended bool // the token is the semicolon that ends a statement
}

type token byte

const (
	semicolon token = iota
	space           // and comments
	otherToken
	explain
	create
	temp
	trigger
	end
)

type state byte

const (
	starting state = iota
	normal
	explaining
	creating
	inTrigger
	inTriggerSemicolon
	inTriggerEnd
)

// transitions by state and token, as in SQLite's complete.c.
var transitions = [7][8]state{
	//                   ;                   space               other      explain     create     temp       trigger    end
	starting:           {starting, starting, normal, explaining, creating, normal, normal, normal},
	normal:             {starting, normal, normal, normal, normal, normal, normal, normal},
	explaining:         {starting, explaining, explaining, normal, creating, normal, normal, normal},
	creating:           {starting, creating, normal, normal, normal, creating, inTrigger, normal},
	inTrigger:          {inTriggerSemicolon, inTrigger, inTrigger, inTrigger, inTrigger, inTrigger, inTrigger, inTrigger},
	inTriggerSemicolon: {inTriggerSemicolon, inTriggerSemicolon, inTrigger, inTrigger, inTrigger, inTrigger, inTrigger, inTriggerEnd},
	inTriggerEnd:       {starting, inTriggerEnd, inTrigger, inTrigger, inTrigger, inTrigger, inTrigger, inTrigger},
}

func (s *scanner) next() bool {
	if s.at >= len(s.text) {
		return false
	}
	s.from = s.at
	s.token = s.read()
	s.state = transitions[s.state][s.token]
	s.ended = s.token == semicolon && s.state == starting
	return true
}

func (s *scanner) word() string { return s.text[s.from:s.at] }

func (s *scanner) read() token {
	rest := s.text[s.at:]
	switch c := rest[0]; {
	case c == ';':
		s.at++
		return semicolon
	case c == ' ' || c >= '\t' && c <= '\r':
		s.at++
		return space
	case strings.HasPrefix(rest, "--"):
		s.until(rest, 2, "\n")
		return space
	case strings.HasPrefix(rest, "/*"):
		s.until(rest, 2, "*/")
		return space
	case c == '\'' || c == '"' || c == '`':
		s.until(rest, 1, rest[:1])
		return otherToken
	case c == '[':
		s.until(rest, 1, "]")
		return otherToken
	case inWord(c):
		for s.at++; s.at < len(s.text) && inWord(s.text[s.at]); s.at++ {
		}
		return keyword(s.word())
	}
	s.at++
	return otherToken
}

// until goes behind the next `closing` from `skip` on, or to the end. A doubled quote ends one text
// and begins another, which comes to the same.
func (s *scanner) until(rest string, skip int, closing string) {
	if place := strings.Index(rest[skip:], closing); place >= 0 {
		s.at += skip + place + len(closing)
	} else {
		s.at = len(s.text)
	}
}

func inWord(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '_' || c == '$' || c >= 0x80
}

func keyword(word string) token {
	switch len(word) {
	case 3:
		if strings.EqualFold(word, "end") {
			return end
		}
	case 4:
		if strings.EqualFold(word, "temp") {
			return temp
		}
	case 6:
		if strings.EqualFold(word, "create") {
			return create
		}
	case 7:
		if strings.EqualFold(word, "trigger") {
			return trigger
		}
		if strings.EqualFold(word, "explain") {
			return explain
		}
	case 9:
		if strings.EqualFold(word, "temporary") {
			return temp
		}
	}
	return otherToken
}

// texts remembers the texts used last: those of this generation, and of the one before.
type texts struct {
	young, old map[string]*text
	most       int
	last       *text
	lastSQL    string
}

// Longer texts are hardly sent twice.
const longestRemembered = 4096

func (t *texts) find(sql string) *text {
	if t.last != nil && t.lastSQL == sql {
		return t.last
	}
	found := t.lookUp(sql)
	if t.most > 0 {
		t.last, t.lastSQL = found, sql
	}
	return found
}

func (t *texts) lookUp(sql string) *text {
	if found := t.young[sql]; found != nil {
		return found
	}
	found := t.old[sql]
	if found == nil {
		found = split(sql)
	}
	if t.most == 0 || len(sql) > longestRemembered {
		return found
	}
	if len(t.young) >= t.most || t.young == nil {
		t.old, t.young = t.young, make(map[string]*text, t.most)
	}
	t.young[sql] = found
	return found
}
