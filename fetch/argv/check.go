package argv

import (
	"os"
	"slices"

	"github.com/shoal-dl/shoal/verify"
)

// check refuses combinations of fetch's flags that make no sense.
func (o *Fetch) check() error {
	several := len(o.Manifests) > 1
	return firstError(
		refuse(several && o.Output == "-", "only one manifest's content can go to stdout",
			"name one manifest, or write to a folder with -o DIR"),
		refuse(several && o.Output != "" && o.Output != "-" && !isFolder(o.Output),
			"several manifests need a folder to go to, and "+o.Output+" is none", "make it first, or fetch them one by one"),
		refuse(several && o.ID != nil, "--id names one content, but there are several manifests",
			"fetch them one by one, or leave --id away"),
		checkStdin(o.Manifests),
		refuse(o.Output == "-" && o.OnComplete != "", "--on-complete needs a file, but the content goes to stdout",
			"put the command behind a pipe, or write to a file with -o FILE"),
		refuse(o.Recheck && o.NoResume, "--recheck keeps what an earlier run has left, --no-resume throws it away",
			"choose one of them"),
	)
}

// check refuses combinations of seed's flags that make no sense.
func (o *Seed) check() error {
	several := len(o.Manifests) > 1
	return firstError(
		refuse(several && o.Path != "" && !isFolder(o.Path), "several manifests want a folder in which their content lies",
			"name a folder, or one manifest at a time"),
		refuse(several && o.ID != nil, "--id names one content, but there are several manifests",
			"seed them one by one, or leave --id away"),
		checkStdin(o.Manifests),
	)
}

// checkStdin refuses to read stdin twice.
func checkStdin(manifests []string) error {
	stdin := slices.Index(manifests, "-")
	return refuse(stdin >= 0 && slices.Contains(manifests[stdin+1:], "-"), "stdin holds one manifest, but - is given twice", "")
}

// check refuses to write over what is read, and results that have no place.
func (o *Create) check() error {
	if o.Output == "-" {
		return firstError(
			refuse(o.Sign != "", "a manifest on stdout has no place for its signature", "give -o FILE; the signature goes to FILE.minisig"),
			refuse(o.JSON, "the manifest and the JSON lines cannot share stdout", "give -o FILE"))
	}
	to, err := o.Target()
	if err != nil {
		return err
	}
	const hint = "give another name with -o FILE"
	signature := to + verify.SignatureExtension
	return firstError(
		refuse(isSameFile(to, o.Path), o.Path+" cannot be both the content and its manifest", hint),
		refuse(isSameFile(to, o.Sign), o.Sign+" cannot be both the secret key and the manifest", hint),
		refuse(o.Sign != "" && isSameFile(signature, o.Path), o.Path+" cannot be both the content and the manifest's signature", hint),
		refuse(isSameFile(signature, o.Sign), o.Sign+" cannot be both the secret key and the manifest's signature", hint),
	)
}

// check refuses one transfer and all of them at once.
func (o *Order) check() error {
	return refuse(o.All && o.Target != "", "--all leaves no room for an ID", "choose one of them")
}

// checkHTTP refuses half a client certificate, and no patience at all.
func (h *HTTP) checkHTTP() error {
	return firstError(
		refuse(h.Key != "" && h.Cert == "", "--key needs --cert", ""),
		refuse(h.Timeout == 0, "--timeout 0 would call every source dead", "give a longer one"),
	)
}

// isFolder tells whether a path names a folder, itself or through a link.
func isFolder(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}

// isSameFile tells whether two paths name one file.
func isSameFile(a, b string) bool {
	one, err := os.Stat(a)
	other, missing := os.Stat(b)
	return err == nil && missing == nil && os.SameFile(one, other)
}

// isManifest tells whether a manifest lies at path.
func isManifest(path string) bool {
	_, err := verify.Parse(text(path))
	return err == nil
}

// isSignature tells whether a signature lies at path.
func isSignature(path string) bool { return verify.IsSignature(text(path)) }

// text is what is in a file, if it is a regular one and no larger than a manifest.
func text(path string) []byte {
	info, err := os.Lstat(path) // before it is opened, which would wait for the writer of a pipe
	if err != nil || !info.Mode().IsRegular() || info.Size() > verify.MaxEncoded {
		return nil
	}
	b, _ := os.ReadFile(path) // nothing is in one that cannot be read
	return b
}

// refuse is the usage error of a nonsensical combination, or nil.
func refuse(nonsense bool, text, hint string) error {
	if !nonsense {
		return nil
	}
	return &UsageError{Text: text, Hint: hint}
}

func firstError(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}
