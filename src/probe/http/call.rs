//! What is sent, as it is configured: a URL, a method, headers and a body. Headers and body never print, and
//! all of them may mention the time.

use super::exchange::Request;
use super::template::Template;
use crate::section::{Section, names_a_secret, parse};
use crate::values::Secret;
use jiff::Timestamp;
use reqwest::header::{ACCEPT, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use reqwest::{Method, Url};

/// What is sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    /// Where; times in it are those of 1970, if it mentions any.
    pub url: Url,
    /// The URL as it is written, if it mentions the time.
    timed: Option<Template>,
    /// How: `GET` or `POST`.
    pub method: Method,
    headers: Vec<(HeaderName, Template)>,
    body: Option<Template>,
}

impl Call {
    /// A plain one, without headers and body.
    pub fn plain(method: Method, url: Url) -> Self {
        Self { url, timed: None, method, headers: Vec::new(), body: None }
    }

    /// Reads `url`, `method`, `headers` and `body`.
    pub fn read(section: &mut Section<'_>, method: Method) -> Option<Self> {
        let url = section.need("url", url);
        let method = section.or("method", method, self::method);
        let headers = headers(section);
        let body = section.opt("body", Template::parse);
        if body.is_some() && method == Method::GET {
            section.error(&section.spot("body"), "a GET has no body", "write method = \"POST\"");
        }
        let (url, timed) = url?;
        Some(Self { url, timed, method, headers, body })
    }

    /// Asks for JSON, unless the author asks for something else. Some gateways answer browsers with HTML.
    #[must_use]
    pub fn for_json(mut self) -> Self {
        if !self.has(&ACCEPT) {
            self.headers.extend(Template::parse("application/json").map(|json| (ACCEPT, json)));
        }
        self
    }

    /// The request at this time.
    ///
    /// # Errors
    /// Which part of it the time has spoilt.
    pub fn request(&self, now: Timestamp) -> Result<Request, String> {
        let url = match &self.timed {
            Some(text) => text.at(now).parse().map_err(|_| "the URL is none at this time".to_owned())?,
            None => self.url.clone(),
        };
        let body = self.body.as_ref().map(|body| body.at(now));
        let mut headers = HeaderMap::new();
        for (name, text) in &self.headers {
            let mut value: HeaderValue =
                text.at(now).parse().map_err(|_| format!("the header {name} is none at this time"))?;
            value.set_sensitive(true);
            headers.append(name, value);
        }
        if let Some(body) = &body
            && !self.has(&CONTENT_TYPE)
        {
            headers.insert(CONTENT_TYPE, content_type(body));
        }
        Ok(Request { method: self.method.clone(), url, headers, body })
    }

    /// What must be masked in every text that leaves the program.
    pub fn secrets(&self) -> Vec<&Secret> {
        let secret = self.headers.iter().filter(|(name, _)| is_secret(name.as_str()));
        secret.map(|(_, text)| text.secret()).collect()
    }

    fn has(&self, name: &HeaderName) -> bool {
        self.headers.iter().any(|(known, _)| known == name)
    }
}

impl Request {
    /// What browsers send to where a redirect leads: it is looked at, not posted to again. What was meant for
    /// one server is not shown to another.
    pub(super) fn redirected(mut self, to: Url) -> Self {
        if self.url.origin() != to.origin() {
            self.headers.clear();
        }
        self.headers.remove(CONTENT_TYPE);
        Self { method: Method::GET, url: to, headers: self.headers, body: None }
    }
}

fn content_type(body: &str) -> HeaderValue {
    HeaderValue::from_static(match body.trim_start().starts_with(['{', '[']) {
        true => "application/json",
        false => "text/plain; charset=utf-8",
    })
}

fn url(text: &str) -> Result<(Url, Option<Template>), String> {
    let template = Template::parse(text)?;
    let url = parse::url(&template.at(Timestamp::UNIX_EPOCH))?;
    Ok((url, Some(template).filter(Template::is_timed)))
}

/// Reads `GET` or `POST`.
pub(in crate::probe) fn method(text: &str) -> Result<Method, String> {
    match text.to_ascii_uppercase().as_str() {
        "GET" => Ok(Method::GET),
        "POST" => Ok(Method::POST),
        _ => Err(format!("{text:?} is not a method that is spoken; write GET or POST")),
    }
}

fn headers(section: &mut Section<'_>) -> Vec<(HeaderName, Template)> {
    section.note_literals("headers", is_secret);
    let texts = section.map("headers", header_text);
    let spot = section.spot("headers");
    let name = |(name, text): (String, Template)| match name.parse() {
        Ok(name) => Some((name, text)),
        Err(_) => {
            let what = format!("{name:?} is not the name of a header");
            section.error(&spot, what, "write something like \"Authorization\"");
            None
        }
    };
    texts.into_iter().filter_map(name).collect()
}

/// A value that no server would see as it is meant is refused, without being repeated.
fn header_text(text: &str) -> Result<Template, String> {
    let template = Template::parse(text)?;
    let sendable = HeaderValue::from_str(&template.at(Timestamp::UNIX_EPOCH)).is_ok();
    match text.trim().is_empty() {
        true => Err("empty; leave the header out, or set its variable".to_owned()),
        false if !sendable => Err("a header cannot hold this; write one line of plain text".to_owned()),
        false => Ok(template),
    }
}

/// Whether the value of a header of this name is nobody else's business.
fn is_secret(name: &str) -> bool {
    let plain = name.replace('-', "_");
    names_a_secret(&plain)
        || matches!(name.to_ascii_lowercase().as_str(), "authorization" | "cookie" | "apikey")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::section::{Source, Variables, read};

    fn reading(text: &str) -> (Option<Call>, Vec<String>, bool) {
        let variables = Variables::new();
        let (call, findings) =
            read(Source { file: "f", text, variables: &variables }, |root| Call::read(root, Method::GET));
        let problems = findings.problems.iter().map(ToString::to_string).collect();
        (call.flatten(), problems, findings.literal_secret)
    }

    fn request(text: &str) -> Request {
        let (call, problems, _) = reading(text);
        assert_eq!(problems, [""; 0]);
        call.unwrap().request("2026-03-01T12:00:00Z".parse().unwrap()).unwrap()
    }

    const POST: &str = r#"
url = "https://x.example/{now:date}?since={now-2h}"
method = "post"
headers = { "CF-Access-Client-Secret" = "hunter2", X-At = "{now}" }
body = '{"since":"{now-1h}"}'
"#;

    #[test]
    fn times_are_filled_in_everywhere_when_it_is_sent() {
        let sent = request(POST);
        assert_eq!(sent.url.as_str(), "https://x.example/2026-03-01?since=2026-03-01T10:00:00Z");
        assert_eq!(sent.headers["x-at"], "2026-03-01T12:00:00Z");
        assert_eq!(sent.headers[CONTENT_TYPE], "application/json");
        assert_eq!(sent.body.as_deref(), Some(r#"{"since":"2026-03-01T11:00:00Z"}"#));
        assert_eq!(sent.method, Method::POST);
    }

    #[test]
    fn headers_do_not_print_and_a_secret_in_the_file_is_noted() {
        let (call, _, literal_secret) = reading(POST);
        assert!(literal_secret && !format!("{:?}", call.unwrap()).contains("hunter2"));
        assert!(!reading("url = \"http://x/\"\nheaders = { Accept = \"text/plain\" }").2);
    }

    #[test]
    fn json_is_asked_for_unless_something_else_is() {
        let accept = |text: &str| {
            let call = reading(text).0.unwrap().for_json();
            call.request(Timestamp::UNIX_EPOCH).unwrap().headers[ACCEPT].clone()
        };
        assert_eq!(accept("url = \"http://x/\""), "application/json");
        assert_eq!(accept("url = \"http://x/\"\nheaders = { accept = \"text/x\" }"), "text/x");
    }

    #[test]
    fn what_was_meant_for_one_server_is_not_shown_to_another() {
        let to = |url: &str| request(POST).redirected(Url::parse(url).unwrap());
        assert!(to("https://login.example/").headers.is_empty());
        let same = to("https://x.example/other");
        assert!(same.headers.contains_key("cf-access-client-secret") && same.body.is_none());
        assert_eq!(same.method, Method::GET);
    }

    #[test]
    fn what_cannot_be_sent_is_refused_with_its_place() {
        let problem = |text: &str| reading(text).1.join("\n");
        let places = [
            ("url = \"http://x/{now-2}\"", "f:1:7: error: url: {now-2} is not a time; write {now}"),
            ("url = \"http://x/\"\nbody = \"x\"", "f:2:8: error: body: a GET has no body; write method"),
            ("url = \"http://x/\"\nmethod = \"PUT\"", "not a method that is spoken; write GET or POST"),
            ("url = \"http://x/\"\nheaders = { \"a b\" = \"x\" }", "\"a b\" is not the name of a header"),
            ("url = \"http://x/\"\nheaders = { a = \"x\\ny\" }", "headers.a: a header cannot hold this"),
            ("url = \"http://x/\"\nheaders = { a = \"\" }", "headers.a: empty; leave the header out"),
        ];
        for (text, told) in places {
            assert!(problem(text).contains(told), "{text}: {}", problem(text));
        }
    }
}
