package driver

import (
	"math"
	"strings"
	"time"

	"github.com/sqlbridge/sqlbridge/guests/go/internal/wire"
)

// timeFormat is how times are bound. SQLite has no type for them.
type timeFormat byte

const (
	timesText timeFormat = iota // 2026-11-20 10:00:00.5+00:00, in UTC: sorts, also beside CURRENT_TIMESTAMP
	timesRFC3339
	timesUnix
	timesUnixMilli
	timesUnixMicro
	timesUnixNano
	timesJulian
)

var timeFormatNames = []string{"sqlite", "rfc3339", "unix", "unixms", "unixus", "unixns", "julianday"}

func timeFormatNamed(name string) (timeFormat, bool) {
	for i, known := range timeFormatNames {
		if known == name {
			return timeFormat(i), true
		}
	}
	return 0, false
}

const layoutText = "2006-01-02 15:04:05.999999999-07:00"

// The Julian day of 1970-01-01, and the last one that SQLite's date functions know.
const (
	julianUnix = 2440587.5
	julianLast = 5373484.5
)

func (f timeFormat) write(e *wire.Encoder, t time.Time) {
	switch f {
	case timesRFC3339:
		e.String(t.Format(time.RFC3339Nano))
	case timesUnix:
		e.Int(t.Unix())
	case timesUnixMilli:
		e.Int(t.UnixMilli())
	case timesUnixMicro:
		e.Int(t.UnixMicro())
	case timesUnixNano:
		e.Int(t.UnixNano())
	case timesJulian:
		e.Float(julianUnix + float64(t.Unix())/86400 + float64(t.Nanosecond())/86400e9)
	default:
		e.String(t.UTC().Format(layoutText))
	}
}

// ofInt is a number in a column that is declared as a time. Without one of the unix formats, its
// magnitude says whether it counts seconds or parts of them.
func (f timeFormat) ofInt(n int64) time.Time {
	size := n
	if size < 0 {
		size = -size
	}
	switch {
	case f == timesUnix:
		return time.Unix(n, 0).UTC()
	case f == timesUnixMilli:
		return time.UnixMilli(n).UTC()
	case f == timesUnixMicro:
		return time.UnixMicro(n).UTC()
	case f == timesUnixNano:
		return time.Unix(0, n).UTC()
	case size < 1e11:
		return time.Unix(n, 0).UTC()
	case size < 1e14:
		return time.UnixMilli(n).UTC()
	case size < 1e17:
		return time.UnixMicro(n).UTC()
	}
	return time.Unix(0, n).UTC()
}

// ofFloat: a Julian day, or else seconds since 1970. False for what is no time.
func ofFloat(x float64) (time.Time, bool) {
	if x >= 0 && x < julianLast {
		x = (x - julianUnix) * 86400
	}
	seconds, fraction := math.Modf(x)
	if math.IsNaN(x) || math.Abs(seconds) > 1e12 {
		return time.Time{}, false
	}
	// A float64 has a Julian day to 40 microseconds.
	return time.Unix(int64(seconds), int64(fraction*1e9)).Round(time.Millisecond).UTC(), true
}

// ofText reads the forms that SQLite's date functions know with a date in them, and RFC 3339. A time
// without a zone is UTC, as it is for SQLite.
func ofText(text string) (time.Time, bool) {
	date, clock, zone, ok := cutTime(text)
	if !ok {
		return time.Time{}, false
	}
	layout := "2006-01-02"
	switch len(clock) {
	case 0:
	case 5:
		layout += " 15:04"
		date += " " + clock
	default:
		layout += " 15:04:05" // takes a fraction, too
		date += " " + clock
	}
	switch {
	case zone == "" || zone == "Z" || zone == "z":
	case len(zone) == 6 && zone[3] == ':':
		layout += "-07:00"
		date += zone
	default:
		return time.Time{}, false
	}
	t, err := time.Parse(layout, date)
	return t.UTC(), err == nil
}

// cutTime takes `2026-11-20[ T]10:00:00.5 +01:00` apart.
func cutTime(text string) (date, clock, zone string, ok bool) {
	if len(text) < 10 || text[4] != '-' || text[7] != '-' {
		return "", "", "", false
	}
	date, clock = text[:10], text[10:]
	if clock == "" {
		return date, "", "", true
	}
	if clock[0] != ' ' && clock[0] != 'T' && clock[0] != 't' {
		return "", "", "", false
	}
	clock = clock[1:]
	if at := strings.IndexAny(clock, "Zz+-"); at >= 0 {
		clock, zone = clock[:at], clock[at:]
	}
	return date, strings.TrimRight(clock, " "), zone, true
}
