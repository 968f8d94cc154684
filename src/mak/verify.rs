use std::collections::HashMap;

use crate::wire::Check;

use super::{RequestDocument, RequestItem, ResponseDocument, ResponseItem};

/// Every verification of a batch response against its request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EchoChecks {
    /// There are as many answers as were asked for; an error of the whole batch needs none.
    pub count: Check,
    /// Whatever was asked and answered stands in the same place.
    pub order: Check,
    /// Each answer's, in their order.
    pub items: Vec<ItemEcho>,
}

/// The verifications of one answer of a batch response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ItemEcho {
    /// The PID is one that was asked about.
    pub pid: Check,
    /// The IID is the one that was asked about, with this PID.
    pub iid: Check,
}

impl EchoChecks {
    /// Verifies a response against its request.
    #[must_use]
    pub fn of(response: &ResponseDocument, request: Option<&RequestDocument>) -> Self {
        let Some(request) = request else {
            let echo = ItemEcho { pid: Check::NoRequest, iid: Check::NoRequest };
            let items = vec![echo; response.items.len()];
            return Self { count: Check::NoRequest, order: Check::NoRequest, items };
        };
        let (asked, answered) = (&request.items, &response.items);
        let count = match answered.len() {
            0 if response.error_info.is_some() => Check::NotApplicable,
            answers => Check::of(answers == asked.len()),
        };
        // Where nothing is out of order, which is the usual case, there is nothing to look up.
        let is_in_place = |(place, answer): (usize, &ResponseItem)| {
            asked.get(place).is_some_and(|item| is_echo(item, answer))
        };
        let order = if answered.is_empty() || asked.is_empty() {
            Check::NotApplicable
        } else if answered.iter().enumerate().all(is_in_place) {
            let items = answered.iter().zip(asked).map(|(answer, item)| ItemEcho::of(answer, Some(item)));
            return Self { count, order: Check::Pass, items: items.collect() };
        } else {
            Check::Pass
        };
        let mut checks = Self { count, order, items: Vec::with_capacity(answered.len()) };
        let mut waiting: HashMap<Key<'_>, Vec<usize>> = HashMap::new();
        for (place, item) in asked.iter().enumerate().rev() {
            waiting.entry((text(&item.pid), text(&item.iid))).or_default().push(place);
        }
        for (place, answer) in answered.iter().enumerate() {
            let found = waiting.get_mut(&(text(&answer.pid), text(&answer.iid)));
            let found = found.and_then(|places| match places.iter().rposition(|other| *other == place) {
                Some(here) => Some(places.remove(here)),
                None => places.pop(),
            });
            if found.is_some_and(|other| other != place) {
                checks.order = Check::Fail;
            }
            checks.items.push(ItemEcho::of(answer, asked.get(found.unwrap_or(place))));
        }
        checks
    }

    /// The checks by name, in a fixed order; of those that each answer has, the worst.
    #[must_use]
    pub fn by_name(&self) -> [(&'static str, Check); 4] {
        let worst = |of: fn(&ItemEcho) -> Check| {
            let each = || self.items.iter().map(of);
            let is_there = |check: Check| each().any(|of_item| of_item == check).then_some(check);
            [Check::Fail, Check::NoRequest, Check::Pass]
                .into_iter()
                .find_map(is_there)
                .unwrap_or(Check::NotApplicable)
        };
        [
            ("count", self.count),
            ("order", self.order),
            ("pid_echo", worst(|item| item.pid)),
            ("iid_echo", worst(|item| item.iid)),
        ]
    }
}

impl ItemEcho {
    fn of(answer: &ResponseItem, asked: Option<&RequestItem>) -> Self {
        let Some(asked) = asked else { return Self { pid: Check::Fail, iid: Check::Fail } };
        let iid = match (text(&asked.iid), text(&answer.iid)) {
            ("", "") => Check::NotApplicable,
            // Nobody has said that an error repeats what was asked.
            (_, "") if answer.error_info.is_some() => Check::NotApplicable,
            (asked, answered) => Check::of(asked == answered),
        };
        Self { pid: Check::of(text(&asked.pid) == text(&answer.pid)), iid }
    }
}

/// A PID and an IID.
type Key<'a> = (&'a str, &'a str);

fn is_echo(asked: &RequestItem, answer: &ResponseItem) -> bool {
    let echo = ItemEcho::of(answer, Some(asked));
    echo.pid != Check::Fail && echo.iid != Check::Fail
}

/// An empty element says as much as none.
fn text(text: &Option<String>) -> &str {
    text.as_deref().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::super::{ErrorCode, RequestType};
    use super::*;

    fn request(items: &[(&str, &str)]) -> RequestDocument {
        let item = |(pid, iid): &(&str, &str)| RequestItem {
            pid: Some((*pid).to_owned()),
            iid: (!iid.is_empty()).then(|| (*iid).to_owned()),
            other: Vec::new(),
        };
        RequestDocument::new(RequestType::CONFIRMATION_ID, items.iter().map(item).collect())
    }

    fn response(items: &[(&str, &str)]) -> ResponseDocument {
        let item = |(pid, iid): &(&str, &str)| ResponseItem {
            pid: Some((*pid).to_owned()),
            iid: Some((*iid).to_owned()),
            ..ResponseItem::default()
        };
        ResponseDocument::new(RequestType::CONFIRMATION_ID, items.iter().map(item).collect())
    }

    fn checks(response: &ResponseDocument, asked: &[(&str, &str)]) -> [Check; 4] {
        EchoChecks::of(response, Some(&request(asked))).by_name().map(|(_, check)| check)
    }

    #[test]
    fn each_echo_passes_and_fails_on_its_own() {
        use Check::{Fail, NotApplicable, Pass};
        let asked = [("p", "1"), ("q", "2")];
        assert_eq!(checks(&response(&asked), &asked), [Pass, Pass, Pass, Pass]);
        assert_eq!(checks(&response(&[("p", "1")]), &asked), [Fail, Pass, Pass, Pass]);
        assert_eq!(checks(&response(&[("q", "2"), ("p", "1")]), &asked), [Pass, Fail, Pass, Pass]);
        assert_eq!(checks(&response(&[("x", "1"), ("q", "2")]), &asked), [Pass, Pass, Fail, Pass]);
        assert_eq!(checks(&response(&[("p", "1"), ("q", "1")]), &asked), [Pass, Pass, Pass, Fail]);
        assert_eq!(checks(&response(&[("p", "")]), &[("p", "")]), [Pass, Pass, Pass, NotApplicable]);
        assert_eq!(
            checks(&response(&[("p", "1"), ("q", "2"), ("q", "2")]), &asked),
            [Fail, Pass, Fail, Fail]
        );
    }

    #[test]
    fn an_error_needs_no_echo_of_the_installation_id_and_one_of_the_batch_no_answers() {
        let mut answer = response(&[("p", "")]);
        assert_eq!(checks(&answer, &[("p", "1")])[3], Check::Fail);
        answer.items[0].error_info = Some(ErrorCode::LIMIT_EXCEEDED.into());
        assert_eq!(checks(&answer, &[("p", "1")])[3], Check::NotApplicable);
        let mut batch = response(&[]);
        assert_eq!(checks(&batch, &[("p", "1")])[0], Check::Fail);
        batch.error_info = Some(ErrorCode(0x8013_1600).into());
        assert_eq!(checks(&batch, &[("p", "1")]), [Check::NotApplicable; 4]);
    }

    #[test]
    fn without_a_request_nothing_is_verified() {
        let checks = EchoChecks::of(&response(&[("p", "1")]), None).by_name();
        assert!(checks.iter().all(|(_, check)| *check == Check::NoRequest), "{checks:?}");
    }
}
