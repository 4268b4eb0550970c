package driver

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// options are what a data source name says: `[handler][?option=value[&option=value...]]`.
type options struct {
	handler     string
	json        bool
	lock        string // of transactions with the default isolation level
	times       timeFormat
	batch       int // most rows in a batch
	busyTimeout time.Duration
	texts       int // SQL texts that a connection remembers
}

var defaults = options{lock: "deferred", batch: 1024, busyTimeout: time.Second, texts: 64}

// known are the options, in the order of the README. A leading underscore, as other drivers for SQLite
// have it, is overlooked.
var known = []struct {
	name string
	help string
	set  func(*options, string) bool
}{
	{"encoding", "msgpack or json", func(o *options, value string) bool {
		o.json = value == "json"
		return o.json || value == "msgpack"
	}},
	{"txlock", "deferred, immediate or exclusive", func(o *options, value string) bool {
		o.lock = value
		return value == "deferred" || value == "immediate" || value == "exclusive"
	}},
	{"timefmt", strings.Join(timeFormatNames, ", "), func(o *options, value string) (ok bool) {
		o.times, ok = timeFormatNamed(value)
		return ok
	}},
	{"batch", "rows, 1 to 1000000", func(o *options, value string) bool {
		return number(value, 1, 1_000_000, &o.batch)
	}},
	{"busy_timeout", "milliseconds, 0 to 3600000", func(o *options, value string) bool {
		milliseconds := 0
		ok := number(value, 0, 3_600_000, &milliseconds)
		o.busyTimeout = time.Duration(milliseconds) * time.Millisecond
		return ok
	}},
	{"texts", "SQL texts, 0 to 10000", func(o *options, value string) bool {
		return number(value, 0, 10_000, &o.texts)
	}},
}

func parse(name string) (options, error) {
	o := defaults
	handler, query, _ := strings.Cut(name, "?")
	o.handler = handler
	for query != "" {
		var option string
		option, query, _ = strings.Cut(query, "&")
		if option == "" {
			continue
		}
		key, value, _ := strings.Cut(option, "=")
		if err := o.set(strings.TrimPrefix(key, "_"), value); err != nil {
			return options{}, err
		}
	}
	return o, nil
}

func (o *options) set(key, value string) error {
	names := make([]string, len(known))
	for i, option := range known {
		if option.name != key {
			names[i] = option.name
			continue
		}
		if !option.set(o, value) {
			return fmt.Errorf("sqlproxy: the option %s=%q is not understood; it is %s", key, value, option.help)
		}
		return nil
	}
	return fmt.Errorf("sqlproxy: there is no option %q; there are: %s", key, strings.Join(names, ", "))
}

func number(value string, least, most int, to *int) bool {
	parsed, err := strconv.Atoi(value)
	if err != nil || parsed < least || parsed > most {
		return false
	}
	*to = parsed
	return true
}
