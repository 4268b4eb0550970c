package sqlitehost

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math"
	"reflect"
	"strconv"
	"strings"

	"github.com/vmihailenco/msgpack/v5"
)

// otherText is MessagePack's extension 1: text that is not UTF-8.
type otherText struct{ text string }

func init() {
	msgpack.RegisterExtDecoder(1, otherText{}, func(d *msgpack.Decoder, v reflect.Value, length int) error {
		buffer := make([]byte, length)
		err := d.ReadFull(buffer)
		v.Set(reflect.ValueOf(otherText{string(buffer)}))
		return err
	})
}

// parse reads a request; values become nil, bool, int64, float64, string and []byte.
func parse(request []byte, isJSON bool) (map[string]any, error) {
	var tree any
	if isJSON {
		d := json.NewDecoder(bytes.NewReader(request))
		d.UseNumber()
		if err := d.Decode(&tree); err != nil {
			return nil, err
		}
	} else {
		var err error
		d := msgpack.NewDecoder(bytes.NewReader(request))
		if tree, err = d.DecodeInterface(); err != nil {
			return nil, err
		}
	}
	plain, err := normal(tree)
	if err != nil {
		return nil, err
	}
	fields, ok := plain.(map[string]any)
	if !ok {
		return nil, fmt.Errorf("a request is an object, not %T", plain)
	}
	for key, value := range fields {
		if value == nil {
			delete(fields, key)
		}
	}
	return fields, nil
}

func normal(tree any) (any, error) {
	switch v := tree.(type) {
	case nil, bool, float64, []byte:
		return v, nil
	case string:
		return v, nil
	case otherText:
		return v.text, nil
	case *otherText:
		return v.text, nil
	case json.Number:
		if !strings.ContainsAny(string(v), ".eE") {
			if n, err := v.Int64(); err == nil {
				return n, nil
			}
		}
		return v.Float64()
	case []any:
		for i := range v {
			var err error
			if v[i], err = normal(v[i]); err != nil {
				return nil, err
			}
		}
		return v, nil
	case map[string]any:
		for key, value := range v {
			if strings.HasPrefix(key, "$") && len(v) == 1 {
				if text, ok := value.(string); ok {
					return tagged(key, text)
				}
			}
			var err error
			if v[key], err = normal(value); err != nil {
				return nil, err
			}
		}
		return v, nil
	}
	value := reflect.ValueOf(tree)
	switch {
	case value.CanInt():
		return value.Int(), nil
	case value.CanUint():
		return int64(value.Uint()), nil
	case value.CanFloat():
		return value.Float(), nil
	}
	return nil, fmt.Errorf("a value of the type %T", tree)
}

func tagged(tag, text string) (any, error) {
	switch tag {
	case "$int":
		return strconv.ParseInt(text, 10, 64)
	case "$float":
		switch text {
		case "Infinity":
			return math.Inf(1), nil
		case "-Infinity":
			return math.Inf(-1), nil
		}
		return math.NaN(), nil
	case "$bytes":
		return base64.StdEncoding.DecodeString(text)
	case "$text":
		bytes, err := base64.StdEncoding.DecodeString(text)
		return string(bytes), err
	}
	return nil, fmt.Errorf("the tag %s is not known", tag)
}
