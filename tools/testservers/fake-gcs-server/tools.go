//go:build tools

// Package tools pins the stand-in for Google Cloud Storage that the tests store objects in.
package tools

import _ "github.com/fsouza/fake-gcs-server"
