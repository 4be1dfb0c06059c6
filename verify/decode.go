package verify

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"
)

// version is the version of manifests that this package reads and writes.
const version = 1

// decoder reads a manifest's JSON token by token and checks each value as it
// comes, so that nothing is built from input that is refused in the end.
type decoder struct {
	json     *json.Decoder
	manifest Manifest
	file     File   // the entry of "files" at hand
	mirror   Mirror // the entry of "mirrors" at hand
}

// object is a kind of JSON object.
type object struct {
	fields map[string]func() error // what reads the value of each known field
	seen   map[string]bool         // which of them the object at hand has had
}

// newObject returns an object of the given fields.
func newObject(fields map[string]func() error) *object {
	return &object{fields: fields, seen: make(map[string]bool, len(fields))}
}

// require tells which of the named fields the object at hand lacks.
func (o *object) require(names ...string) error {
	for _, name := range names {
		if !o.seen[name] {
			return fmt.Errorf("the field %q is missing", name)
		}
	}
	return nil
}

// decode reads and checks all entries of a manifest, but not how they fit
// together.
func decode(text []byte) (*Manifest, error) {
	d := &decoder{json: json.NewDecoder(bytes.NewReader(text))}
	d.json.UseNumber()
	o := d.manifestObject()
	if err := d.object(o); err != nil {
		return nil, err
	}
	if err := o.require("shoal", "name", "piece_size", "files"); err != nil {
		return nil, err
	}
	if _, err := d.json.Token(); err != io.EOF {
		return nil, fmt.Errorf("something follows the JSON object, at byte %d", d.json.InputOffset())
	}
	return &d.manifest, nil
}

// manifestObject returns the object that a manifest is.
func (d *decoder) manifestObject() *object {
	m := &d.manifest
	return newObject(map[string]func() error{
		"shoal":      d.version,
		"name":       func() error { return d.text(&m.Name, checkName) },
		"piece_size": func() error { return d.number(&m.PieceSize, checkPieceSize) },
		"files":      d.files,
		"mirrors":    d.mirrors,
		"peers":      func() error { return d.texts(&m.Peers, checkAddress) },
		"bootstrap":  func() error { return d.texts(&m.Bootstrap, checkAddress) },
		"discovery":  func() error { return d.texts(&m.Discovery, checkDiscovery) },
		"salt":       d.salt,
		"created":    func() error { return d.time(&m.Created) },
		"comment":    func() error { return d.text(&m.Comment, checkComment) },
	})
}

// version reads "shoal" and refuses what this program is too old for.
func (d *decoder) version() error {
	var n int64
	if err := d.number(&n, nil); err != nil {
		return err
	}
	if n != version {
		return fmt.Errorf("version %d is unknown to this program, which reads version %d", n, version)
	}
	return nil
}

// files reads "files".
func (d *decoder) files() error {
	f := &d.file
	o := newObject(map[string]func() error{
		"path":       func() error { return d.text(&f.Path, checkPath) },
		"size":       func() error { return d.number(&f.Size, checkSize) },
		"executable": func() error { return d.boolean(&f.Executable) },
		"modified":   func() error { return d.time(&f.Modified) },
		"blake3":     func() error { return d.text(nil, func(s string) error { return f.Digest.UnmarshalText([]byte(s)) }) },
		"pieces":     func() error { return d.json.Decode((*digests)(&f.Pieces)) },
	})
	return d.array(func() error {
		*f = File{}
		if err := d.object(o); err != nil {
			return err
		}
		if err := o.require("path", "size", "blake3"); err != nil {
			return err
		}
		d.manifest.Files = append(d.manifest.Files, *f)
		return nil
	})
}

// mirrors reads "mirrors".
func (d *decoder) mirrors() error {
	o := newObject(map[string]func() error{
		"url": func() error { return d.text(&d.mirror.URL, checkMirror) },
		"priority": func() error {
			var n int64
			err := d.number(&n, checkPriority)
			d.mirror.Priority = int(n)
			return err
		},
	})
	return d.array(func() error {
		d.mirror = Mirror{}
		if err := d.object(o); err != nil {
			return err
		}
		if err := o.require("url"); err != nil {
			return err
		}
		d.manifest.Mirrors = append(d.manifest.Mirrors, d.mirror)
		return checkCount(len(d.manifest.Mirrors))
	})
}

// salt reads "salt".
func (d *decoder) salt() error {
	return d.text(nil, func(s string) (err error) {
		if d.manifest.Salt, err = hex.DecodeString(s); err != nil {
			return fmt.Errorf("%s is not hex", quote(s))
		}
		return checkSalt(d.manifest.Salt)
	})
}

// maxFields bounds how many fields, unknown ones included, an object has: to
// read and ignore millions of them would take a minute.
const maxFields = 1024

// object reads an object. Fields that are not known are ignored.
func (d *decoder) object(o *object) error {
	if err := d.open('{', "an object"); err != nil {
		return err
	}
	clear(o.seen)
	for n := 0; d.json.More(); n++ {
		if n == maxFields {
			return fmt.Errorf("more than %d fields", maxFields)
		}
		token, err := d.json.Token()
		if err != nil {
			return unexpected(err)
		}
		name, _ := token.(string) // the decoder refuses anything else
		if err := d.field(o, name); err != nil {
			return at(name, err)
		}
	}
	_, err := d.json.Token()
	return unexpected(err)
}

// field reads the value of the named field of an object.
func (d *decoder) field(o *object, name string) error {
	read, known := o.fields[name]
	if !known {
		return unexpected(d.json.Decode(new(ignored)))
	}
	if o.seen[name] {
		return errors.New("occurs twice")
	}
	o.seen[name] = true
	return unexpected(read())
}

// array reads an array, calling read for each element.
func (d *decoder) array(read func() error) error {
	if err := d.open('[', "an array"); err != nil {
		return err
	}
	for i := 0; d.json.More(); i++ {
		if err := read(); err != nil {
			return at("["+strconv.Itoa(i)+"]", err)
		}
	}
	_, err := d.json.Token()
	return unexpected(err)
}

// open reads the token that begins an object or an array.
func (d *decoder) open(begin json.Delim, what string) error {
	token, err := d.json.Token()
	switch {
	case err != nil:
		return unexpected(err)
	case token != begin:
		return fmt.Errorf("is not %s", what)
	}
	return nil
}

// text reads a string that check has no objection to. A nil to keeps nothing.
func (d *decoder) text(to *string, check func(string) error) error {
	token, err := d.json.Token()
	if err != nil {
		return unexpected(err)
	}
	s, ok := token.(string)
	if !ok {
		return errors.New("is not a string")
	}
	if to != nil {
		*to = s
	}
	return check(s)
}

// texts reads an array of strings that check has no objection to.
func (d *decoder) texts(to *[]string, check func(string) error) error {
	return d.array(func() error {
		var s string
		if err := d.text(&s, check); err != nil {
			return err
		}
		*to = append(*to, s)
		return checkCount(len(*to))
	})
}

// number reads a whole number that check, unless nil, has no objection to.
func (d *decoder) number(to *int64, check func(int64) error) error {
	token, err := d.json.Token()
	if err != nil {
		return unexpected(err)
	}
	n, ok := token.(json.Number)
	if !ok {
		return errors.New("is not a number")
	}
	if *to, err = strconv.ParseInt(n.String(), 10, 64); err != nil {
		return fmt.Errorf("%s is not a whole number below 2⁶³", quote(n.String()))
	}
	if check == nil {
		return nil
	}
	return check(*to)
}

// boolean reads true or false.
func (d *decoder) boolean(to *bool) error {
	token, err := d.json.Token()
	if err != nil {
		return unexpected(err)
	}
	b, ok := token.(bool)
	if !ok {
		return errors.New("is neither true nor false")
	}
	*to = b
	return nil
}

// time reads a time of RFC 3339, of which whole seconds are kept.
func (d *decoder) time(to *time.Time) error {
	return d.text(nil, func(s string) error {
		t, err := time.Parse(time.RFC3339, s)
		if err != nil {
			return fmt.Errorf("%s is not a time of RFC 3339", quote(s))
		}
		*to = t.UTC().Truncate(time.Second)
		return checkTime(*to)
	})
}

// ignored is a JSON value that takes no memory.
type ignored struct{}

// UnmarshalJSON does nothing; the decoder has seen that the value is JSON.
func (*ignored) UnmarshalJSON([]byte) error { return nil }

// digests is a list of digests in base64, decoded without a copy of the text.
type digests []Digest

// UnmarshalJSON reads a string of base64.
func (d *digests) UnmarshalJSON(value []byte) error {
	if value[0] != '"' {
		return errors.New("is not a string")
	}
	text := value[1 : len(value)-1]
	if bytes.IndexByte(text, '\\') >= 0 { // some encoders write a slash as \/
		var s string
		if err := json.Unmarshal(value, &s); err != nil {
			return err
		}
		text = []byte(s)
	}
	// An upper bound that no padding or truncation can exceed.
	list := make(digests, 0, base64.StdEncoding.DecodedLen(len(text))/len(Digest{}))
	r := base64.NewDecoder(base64.StdEncoding.Strict(), bytes.NewReader(text))
	for {
		var digest Digest
		_, err := io.ReadFull(r, digest[:])
		switch {
		case err == io.EOF:
			*d = list
			return nil
		case err != nil:
			return errors.New("is not base64 of digests of 32 bytes")
		}
		list = append(list, digest)
	}
}

// fieldError is what is wrong with the value of a field.
type fieldError struct {
	field string // from the outermost object inwards: files[3].path
	err   error
}

func (e *fieldError) Error() string { return e.field + ": " + e.err.Error() }
func (e *fieldError) Unwrap() error { return e.err }

// at says that err happened inside the named field or element.
func at(name string, err error) error {
	inner, ok := err.(*fieldError)
	if !ok {
		return &fieldError{name, err}
	}
	if !strings.HasPrefix(inner.field, "[") {
		name += "."
	}
	return &fieldError{name + inner.field, inner.err}
}

// unexpected turns the end of the input, which nothing but decode expects,
// into an error that says so.
func unexpected(err error) error {
	if err == io.EOF || err == io.ErrUnexpectedEOF {
		return errors.New("the JSON ends too early")
	}
	return err
}
