//! HTTP/1.1 messages out of streams (RFC 9112), their content codings (RFC 9110 8.4), and HAR files of them.
