package control

import (
	"context"
	"io"
	"log"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/VictoriaMetrics/metrics"
	"golang.org/x/net/netutil"
)

// What a metrics client may cost: it is asked for by the user, but may be open to
// others.
const (
	metricsClients = 16
	metricsPatient = 10 * time.Second
	metricsIdle    = 2 * time.Minute
	metricsHeader  = 8 << 10 // bytes
)

// listenMetrics opens HOST:PORT for serveMetrics. Without a host it is loopback.
func listenMetrics(ctx context.Context, at string) (net.Listener, error) {
	if strings.HasPrefix(at, ":") {
		at = "127.0.0.1" + at
	}
	var config net.ListenConfig
	return config.Listen(ctx, "tcp", at)
}

// serveMetrics answers at /metrics with what the process is doing, in Prometheus'
// text format, until ctx ends. It closes l.
func (d *Desk) serveMetrics(ctx context.Context, l net.Listener) {
	// The types of the metrics are part of the format; the library has no other
	// way to be asked for them.
	metrics.ExposeMetadata(true)
	mux := http.NewServeMux()
	mux.HandleFunc("GET /metrics", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
		d.writeMetrics(w)
	})
	server := http.Server{
		Handler: mux, ReadTimeout: metricsPatient, WriteTimeout: metricsPatient, IdleTimeout: metricsIdle,
		MaxHeaderBytes: metricsHeader, ErrorLog: log.New(io.Discard, "", 0),
	}
	var serving sync.WaitGroup
	serving.Go(func() { _ = server.Serve(netutil.LimitListener(l, metricsClients)) }) // always ends with an error, here by Close
	<-ctx.Done()
	_ = server.Close()
	serving.Wait()
}

// writeMetrics makes all metrics anew each time, for contents come and go.
func (d *Desk) writeMetrics(w io.Writer) {
	set := metrics.NewSet()
	p := d.status(d.about(""))
	set.GetOrCreateGauge("shoal_start_time_seconds", nil).Set(float64(p.Started.Unix()))
	limits, _ := d.known()
	for _, key := range limits.Keys() {
		if n := limits.Number(key); n > 0 {
			set.GetOrCreateGauge(labelled("shoal_limit", "key", key), nil).Set(n)
		}
	}
	for i := range p.Transfers {
		p.Transfers[i].metrics(set)
	}
	set.WritePrometheus(w)
}

// metrics adds those of a transfer to a set.
func (t *Transfer) metrics(set *metrics.Set) {
	gauge := func(name string, value float64, labels ...string) {
		set.GetOrCreateGauge(labelled(name, append([]string{"id", t.ID, "name", t.Name}, labels...)...), nil).Set(value)
	}
	counter := func(name string, value int64, labels ...string) {
		set.GetOrCreateCounter(labelled(name, append([]string{"id", t.ID, "name", t.Name}, labels...)...)).Set(uint64(max(value, 0)))
	}
	counter("shoal_received_bytes_total", t.FromMirrors, "kind", "mirror")
	counter("shoal_received_bytes_total", t.FromLAN, "kind", "lan")
	counter("shoal_received_bytes_total", t.FromPeers-t.FromLAN, "kind", "peer")
	counter("shoal_sent_bytes_total", t.ToLAN, "kind", "lan")
	counter("shoal_sent_bytes_total", t.Uploaded-t.ToLAN, "kind", "peer")
	counter("shoal_wasted_bytes_total", t.Wasted)
	gauge("shoal_size_bytes", float64(t.Size))
	gauge("shoal_done_bytes", float64(t.Done))
	gauge("shoal_pieces", float64(t.Pieces))
	gauge("shoal_receive_bytes_per_second", t.Down)
	gauge("shoal_send_bytes_per_second", t.Up)
	gauge("shoal_connections", float64(t.Connections))
	peers := map[string]int{"lan": 0, "peer": 0}
	for _, s := range t.Sources {
		peers[s.Kind]++
	}
	gauge("shoal_peers", float64(peers["lan"]), "kind", "lan")
	gauge("shoal_peers", float64(peers["peer"]), "kind", "peer")
	for _, state := range []State{Checking, Fetching, Seeding, Paused} {
		gauge("shoal_state", one(t.State == state), "state", string(state))
	}
	gauge("shoal_sharing", one(t.Sharing))
	if t.Until != nil {
		gauge("shoal_sharing_until_seconds", float64(t.Until.Unix()))
	}
}

// one is how a metric says yes.
func one(yes bool) float64 {
	if yes {
		return 1
	}
	return 0
}

// labelled is the name of a metric with labels, given as key and value in turns.
func labelled(name string, labels ...string) string {
	escape := strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`)
	var pairs []string
	for i := 0; i < len(labels); i += 2 {
		pairs = append(pairs, labels[i]+`="`+escape.Replace(labels[i+1])+`"`)
	}
	return name + "{" + strings.Join(pairs, ",") + "}"
}
