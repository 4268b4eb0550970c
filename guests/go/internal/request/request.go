// Package request counts the requests that a program which is kept alive has been handed. What the
// host keeps for SQL (cursors, transactions) ends with each of them, and so does what the driver
// knows of it.
package request

import "sync/atomic"

var number atomic.Uint64

// Begin says that a request begins.
func Begin() { number.Add(1) }

// Number is the number of the request being served; 0 in a program that serves none.
func Number() uint64 { return number.Load() }
