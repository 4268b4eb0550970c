//go:build !wasip1

package driver

// builtin: outside of a guest, SetHostHandler says who answers.
func builtin() map[string]*host { return map[string]*host{} }
