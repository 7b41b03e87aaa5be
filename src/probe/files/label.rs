//! How backups are named: a pattern of names, with a date or without one. Pure.

use jiff::civil::{Date, date};
use jiff::{Span, ToSpan};

/// Stars of one pattern: each is tried at every place of a name.
const STARS_MAX: usize = 2;

/// A pattern of names, such as `%Y-%m-%d`, `%Y-week-%U` or `blog-*.tar.gz`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Label {
    text: String,
    parts: Vec<Part>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Text(String),
    Star,
    Field(Field),
}

/// What `date` writes for a letter. The order is that in which they tell which name is the newest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Field {
    Year,
    Month,
    Week,
    Day,
    Hour,
    Minute,
    Second,
}

/// The fields of a name, in their order; 0 for those that it has not.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct When([u16; 7]);

impl Label {
    /// Reads a pattern.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let wrong = |why: &str| {
            format!(
                "{text:?} is no pattern of names: {why}; write \"%Y-%m-%d\", \"%Y-week-%U\" or \"*.tar.gz\""
            )
        };
        if text.is_empty() || text.contains('/') {
            return Err(wrong("it is the name of one entry, without /"));
        }
        let mut parts = Vec::new();
        let mut letters = text.chars();
        while let Some(letter) = letters.next() {
            match letter {
                '*' => parts.push(Part::Star),
                '%' => parts.push(
                    field(letters.next())
                        .ok_or_else(|| wrong("after % come Y or G, m, d, U or V, H, M, S, or another %"))?,
                ),
                other => push(&mut parts, other),
            }
        }
        let label = Self { text: text.to_owned(), parts };
        match label.parts.iter().filter(|part| **part == Part::Star).count() {
            0..=STARS_MAX => label.whole().map_err(wrong),
            _ => Err(wrong("it has more than two *")),
        }
    }

    /// A date begins with its year, and has a month or a week; each stands there once.
    fn whole(self) -> Result<Self, &'static str> {
        let has = |wanted: Field| self.parts.contains(&Part::Field(wanted));
        let fields = || self.parts.iter().filter(|part| matches!(part, Part::Field(_)));
        let twice = fields().any(|field| fields().filter(|other| *other == field).count() > 1);
        match self.is_dated() {
            true if twice => Err("it has a part of the date twice"),
            true if !has(Field::Year) => Err("a date needs its year, %Y"),
            true if has(Field::Month) == has(Field::Week) => Err("a date needs %m and %d, or its week, %U"),
            true | false => Ok(self),
        }
    }

    /// Whether the name tells of the time; else the file system does.
    pub(super) fn is_dated(&self) -> bool {
        self.parts.iter().any(|part| matches!(part, Part::Field(_)))
    }

    /// The pattern as it is written.
    pub(super) fn as_str(&self) -> &str {
        &self.text
    }

    /// What a name says of its time, when it fits.
    pub(super) fn read(&self, name: &str) -> Option<When> {
        // As in a shell, what is hidden is not meant.
        let hidden = name.starts_with('.') && !self.text.starts_with('.');
        let when = (!hidden).then(|| read(&self.parts, name, When::default())).flatten()?;
        (!self.is_dated() || when.days().is_some()).then_some(when)
    }
}

impl When {
    fn with(mut self, field: Field, value: u16) -> Self {
        self.0[field as usize] = value;
        self
    }

    /// The first and the last day that it can mean, in whatever time zone; none when there is no such day, or no date.
    pub(super) fn days(self) -> Option<(Date, Date)> {
        let [year, month, week, day, ..] = self.0;
        let year = i16::try_from(year).ok().filter(|year| *year > 0)?;
        let (month, day) = (i8::try_from(month).ok()?, i8::try_from(day).ok()?);
        let from_new_year = |span: Span| date(year, 1, 1).checked_add(span).ok();
        match (month, day) {
            // Weeks begin on a Sunday or on a Monday, and the first one in last year or in this one: three weeks hold any.
            (0, _) => Some((
                from_new_year((i32::from(week) - 2).weeks())?,
                from_new_year((i32::from(week) + 1).weeks())?,
            )),
            (_, 0) => {
                Some((Date::new(year, month, 1).ok()?, Date::new(year, month, 1).ok()?.last_of_month()))
            }
            (_, _) => Date::new(year, month, day).ok().map(|day| (day, day)),
        }
    }
}

fn field(letter: Option<char>) -> Option<Part> {
    Some(Part::Field(match letter? {
        'Y' | 'G' => Field::Year,
        'm' => Field::Month,
        'd' => Field::Day,
        'U' | 'V' => Field::Week,
        'H' => Field::Hour,
        'M' => Field::Minute,
        'S' => Field::Second,
        '%' => return Some(Part::Text("%".to_owned())),
        _ => return None,
    }))
}

fn push(parts: &mut Vec<Part>, letter: char) {
    match parts.last_mut() {
        Some(Part::Text(text)) => text.push(letter),
        Some(Part::Star | Part::Field(_)) | None => parts.push(Part::Text(letter.to_string())),
    }
}

impl Field {
    fn digits(self) -> usize {
        if self == Self::Year { 4 } else { 2 }
    }

    /// The greatest value; months and days are proven by the calendar.
    fn most(self) -> u16 {
        match self {
            Self::Year => 9998,
            Self::Month => 12,
            Self::Week => 53,
            Self::Day => 31,
            Self::Hour => 23,
            Self::Minute => 59,
            Self::Second => 60,
        }
    }

    fn least(self) -> u16 {
        match self {
            Self::Year => 1970,
            Self::Month | Self::Day => 1,
            Self::Week | Self::Hour | Self::Minute | Self::Second => 0,
        }
    }
}

fn read(parts: &[Part], name: &str, when: When) -> Option<When> {
    let Some((first, rest)) = parts.split_first() else { return name.is_empty().then_some(when) };
    match first {
        Part::Text(text) => read(rest, name.strip_prefix(text.as_str())?, when),
        Part::Field(field) => {
            let (digits, after) = name.split_at_checked(field.digits())?;
            let value = digits.bytes().all(|byte| byte.is_ascii_digit()).then(|| digits.parse().ok())??;
            let fits = (field.least()..=field.most()).contains(&value);
            fits.then(|| read(rest, after, when.with(*field, value)))?
        }
        Part::Star => {
            let mut places = name.char_indices().map(|(at, _)| at).chain([name.len()]);
            places.find_map(|at| read(rest, &name[at..], when))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn label(text: &str) -> Label {
        Label::parse(text).unwrap()
    }

    #[test]
    fn names_with_a_date_are_ordered_by_it() {
        let turned = label("blog-%d-%m-%Y.tar.gz");
        assert!(turned.read("blog-02-01-2026.tar.gz") > turned.read("blog-31-12-2025.tar.gz"));
        let weekly = label("%Y-week-%U");
        assert!(weekly.read("2026-week-10") > weekly.read("2026-week-09") && weekly.is_dated());
        for other in ["2026-week-54", "2026-week-9", "2026-week-099", "latest", "x2026-week-09", ""] {
            assert_eq!(weekly.read(other), None, "{other}");
        }
        let daily = label("%Y-%m-%d");
        assert!(daily.read("2024-02-29").is_some());
        for no_day in ["2026-02-29", "2026-13-01", "2026-00-10", "2026-01-00", "２026-01-01"] {
            assert_eq!(daily.read(no_day), None, "{no_day}");
        }
    }

    #[test]
    fn a_date_means_the_days_of_every_time_zone_and_way_to_count_weeks() {
        let days = |pattern: &str, name: &str| label(pattern).read(name).unwrap().days().unwrap();
        assert_eq!(days("%Y-%m-%d", "2026-03-01"), (date(2026, 3, 1), date(2026, 3, 1)));
        assert_eq!(days("%Y-%m", "2026-02"), (date(2026, 2, 1), date(2026, 2, 28)));
        // The week 09 of 2026 begins on Sunday, March 1st; that of ISO 8601 on Monday, February 23rd.
        let (first, last) = days("%Y-week-%U", "2026-week-09");
        assert!(first <= date(2026, 2, 23) && date(2026, 3, 7) <= last && last <= date(2026, 3, 12));
    }

    #[test]
    fn a_star_is_any_text_and_what_is_hidden_is_not_meant() {
        let dumps = label("blog-*.gz");
        assert!(
            dumps.read("blog-1.gz").is_some() && dumps.read("blog-.gz.gz").is_some() && !dumps.is_dated()
        );
        assert!(dumps.read("blog-1.gz.tmp").is_none() && label("*").read(".tmp").is_none());
        assert!(label("100%%-*").read("100%-日本").is_some());
    }

    #[test]
    fn what_is_no_pattern_is_refused_with_its_reason() {
        let reasons = [
            ("", "without /"),
            ("a/b", "without /"),
            ("%x", "after % come"),
            ("%", "after % come"),
            ("***", "more than two *"),
            ("%m-%d", "needs its year"),
            ("%Y", "needs %m and %d"),
            ("%Y-%m-%U", "needs %m and %d"),
            ("%Y-%Y-%m", "twice"),
        ];
        for (text, reason) in reasons {
            let told = Label::parse(text).unwrap_err();
            assert!(told.contains(reason) && told.contains("; write \"%Y-%m-%d\""), "{told}");
        }
    }
}
