//! The message broker.

use super::handle::set;
use super::{EventResult, MessageResult, Metrics};

const NONE: &[&str] = &[];

impl Metrics {
    /// There is a broker in the configuration: what is told of it is there from now on.
    pub fn broker_configured(&self) {
        let families = self.families();
        set(&families.amqp_connected, NONE, 0_u64);
        set(&families.amqp_consuming, NONE, 0_u64);
        set(&families.amqp_publishing_blocked, NONE, 0_u64);
        set(&families.amqp_outbox_events, NONE, 0_u64);
        families.amqp_reconnects_total.with_label_values(NONE);
        for result in MessageResult::ALL {
            families.amqp_messages_total.with_label_values(&[result.as_str()]);
        }
        for result in EventResult::ALL {
            families.amqp_events_total.with_label_values(&[result.as_str()]);
        }
    }

    /// Whether the agent is connected.
    pub fn broker_connected(&self, connected: bool) {
        set(&self.families().amqp_connected, NONE, u64::from(connected));
    }

    /// Whether messages are taken.
    pub fn broker_consuming(&self, consuming: bool) {
        set(&self.families().amqp_consuming, NONE, u64::from(consuming));
    }

    /// A connection is there again that was lost.
    pub fn broker_reconnected(&self) {
        self.families().amqp_reconnects_total.with_label_values(NONE).inc();
    }

    /// Whether the broker takes no events although it is there.
    pub fn broker_blocked(&self, blocked: bool) {
        set(&self.families().amqp_publishing_blocked, NONE, u64::from(blocked));
    }

    /// Something became of a message.
    pub fn message(&self, result: MessageResult) {
        self.families().amqp_messages_total.with_label_values(&[result.as_str()]).inc();
    }

    /// Something became of so many events.
    pub fn events(&self, result: EventResult, events: u64) {
        self.families().amqp_events_total.with_label_values(&[result.as_str()]).inc_by(events);
    }

    /// How many events wait for the broker.
    pub fn outbox(&self, events: u64) {
        set(&self.families().amqp_outbox_events, NONE, events);
    }
}
