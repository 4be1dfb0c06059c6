package fetch

import (
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// byteRange is the bytes [first, end) of a file of the given size.
type byteRange struct{ first, end, size int64 }

// header is the value of Range (RFC 9110, section 14.2).
func (r byteRange) header() string { return fmt.Sprintf("bytes=%d-%d", r.first, r.end-1) }

// accept checks a reply to a request for r, and tells how many bytes of its
// body come before those asked for, and how many of those follow: a server may
// send fewer than it was asked for (RFC 9110, section 15.3.7). A body that starts
// at the front of the file when something else was asked for is only accepted
// when front is set.
func (r byteRange) accept(resp *http.Response, front bool) (skip, n int64, err error) {
	switch resp.StatusCode {
	case http.StatusPartialContent:
		if err := checkPlain(resp); err != nil {
			return 0, 0, err
		}
		n, err := r.checkPartial(resp)
		return 0, n, err
	case http.StatusOK:
		if err := checkPlain(resp); err != nil {
			return 0, 0, err
		}
		if n := resp.ContentLength; n >= 0 && n != r.size {
			return 0, 0, r.wrongLength(n)
		}
		if r.first > 0 && !front {
			return 0, 0, faultf(FaultNoRange, "ignores Range")
		}
		return r.first, r.end - r.first, nil
	case http.StatusRequestedRangeNotSatisfiable:
		_, _, total, _ := parseContentRange(resp.Header.Get("Content-Range"))
		if total >= 0 && total != r.size {
			return 0, 0, r.wrongLength(total)
		}
	}
	return 0, 0, refusal(resp)
}

// checkPlain refuses a body that is not just the bytes of the file.
func checkPlain(resp *http.Response) error {
	for _, coding := range resp.Header.Values("Content-Encoding") {
		if coding != "" && !strings.EqualFold(coding, "identity") {
			return faultf(FaultLasting, "sent a body coded as %.40q, which was not asked for", coding)
		}
	}
	if kind := resp.Header.Get("Content-Type"); len(kind) >= 10 && strings.EqualFold(kind[:10], "multipart/") {
		return faultf(FaultLasting, "sent a multipart body for one range")
	}
	return nil
}

// checkPartial holds Content-Range (RFC 9110, section 14.4) and Content-Length
// to what was asked for, and tells how many bytes are sent.
func (r byteRange) checkPartial(resp *http.Response) (int64, error) {
	values := resp.Header.Values("Content-Range")
	if len(values) != 1 {
		return 0, faultf(FaultLasting, "sent a range with %d Content-Range headers", len(values))
	}
	first, last, total, ok := parseContentRange(values[0])
	switch {
	case !ok || first < 0:
		return 0, faultf(FaultLasting, "sent Content-Range %.60q", values[0])
	case total >= 0 && total != r.size:
		return 0, r.wrongLength(total)
	case first != r.first || last < first || last >= r.end:
		return 0, faultf(FaultLasting, "sent bytes %d-%d when asked for %d-%d", first, last, r.first, r.end-1)
	}
	n := last + 1 - first
	if length := resp.ContentLength; length >= 0 && length != n {
		return 0, faultf(FaultLasting, "sent Content-Length %d for a range of %d bytes", length, n)
	}
	return n, nil
}

func (r byteRange) wrongLength(n int64) error {
	return faultf(FaultLasting, "has %d bytes, the manifest says %d", n, r.size)
}

// parseContentRange reads "bytes 0-99/200"; a total of "*" is -1, and so are
// first and last when they are "*".
func parseContentRange(s string) (first, last, total int64, ok bool) {
	unit, rest, _ := strings.Cut(s, " ")
	span, size, found := strings.Cut(rest, "/")
	if !strings.EqualFold(unit, "bytes") || !found {
		return -1, -1, -1, false
	}
	total, ok = -1, true
	if size != "*" {
		if total, ok = parseDigits(size); !ok {
			return -1, -1, -1, false
		}
	}
	if span == "*" {
		return -1, -1, total, ok
	}
	from, to, _ := strings.Cut(span, "-")
	first, ok1 := parseDigits(from)
	last, ok2 := parseDigits(to)
	return first, last, total, ok1 && ok2
}

// parseDigits reads a number without sign.
func parseDigits(s string) (int64, bool) {
	n, err := strconv.ParseUint(s, 10, 63)
	return int64(n), err == nil
}

// statusError is a status that is no content.
type statusError int

func (e statusError) Error() string {
	return strings.TrimSpace(fmt.Sprintf("HTTP %d %s", int(e), http.StatusText(int(e))))
}

// refusesStrangers tells whether a fault is what servers say to those without
// credentials: nginx has 400 for a client certificate that is missing.
func refusesStrangers(f *Fault) bool {
	switch status, _ := errors.AsType[statusError](f); int(status) {
	case http.StatusBadRequest, http.StatusUnauthorized, http.StatusForbidden:
		return true
	}
	return false
}

// refusal makes a Fault of a reply by its status.
func refusal(resp *http.Response) *Fault {
	f := &Fault{Kind: FaultLasting, RetryAfter: retryAfter(resp.Header), Err: statusError(resp.StatusCode)}
	switch code := resp.StatusCode; {
	case code == http.StatusForbidden, code == http.StatusTooManyRequests, code == http.StatusServiceUnavailable:
		f.Kind = FaultBusy
	case code == http.StatusRequestTimeout, code >= 500:
		f.Kind = FaultPassing
	}
	return f
}

// mostAsked stands for every longer Retry-After, so that it can be added to a time.
const mostAsked = 1000 * time.Hour

// retryAfter reads Retry-After, seconds or a date (RFC 9110, section 10.2.3);
// a date is compared with the server's own clock when there is a Date. It is 0
// when there is nothing to wait for, and never more than mostAsked.
func retryAfter(h http.Header) time.Duration {
	value := h.Get("Retry-After")
	if seconds, err := strconv.ParseUint(value, 10, 31); err == nil || errors.Is(err, strconv.ErrRange) {
		return min(time.Duration(seconds)*time.Second, mostAsked)
	}
	at, err := http.ParseTime(value)
	if err != nil {
		return 0
	}
	now, err := http.ParseTime(h.Get("Date"))
	if err != nil {
		now = time.Now()
	}
	return min(max(at.Sub(now), 0), mostAsked)
}

// strongValidator returns what If-Range may carry: a strong ETag or, lacking
// one, a Last-Modified that is strong because the reply's Date is later (RFC
// 9110, sections 8.8.2.2 and 13.1.5). It is empty when there is neither.
func strongValidator(h http.Header) string {
	if tag := h.Get("ETag"); len(tag) > 2 && tag[0] == '"' && tag[len(tag)-1] == '"' {
		return tag
	}
	modified, err1 := http.ParseTime(h.Get("Last-Modified"))
	date, err2 := http.ParseTime(h.Get("Date"))
	if err1 != nil || err2 != nil || date.Sub(modified) < time.Second {
		return ""
	}
	return h.Get("Last-Modified")
}
