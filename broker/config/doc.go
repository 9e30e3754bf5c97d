// Package config is the one registry of Kafka settings that Weir has.
//
// Every setting of topics and brokers is a [Setting]: its name, type, default,
// the values it takes, where it may be set, what applies it, and the sentence
// that documents it. Everything that knows settings asks here: broker start-up,
// DescribeConfigs, the controller's checks of AlterConfigs and CreateTopics,
// scenario files, and the flags and help of "weir broker".
//
// A setting is here only if something acts on it. The few that are here ahead
// of what they need say so in [Setting.Needs]: their default is accepted, since
// it is how the broker behaves, and every other value is refused by name.
// Whatever is not here is refused by name too ([Unknown]). No setting is
// accepted and does nothing.
//
// The names are Kafka's. What Weir has and Kafka has not begins with "weir.".
//
// # Where a value comes from
//
// [Layers] are the places where a value may be set, and precedence is Kafka's:
// on the topic, on one broker at run time, on all brokers at run time, when the
// broker started, and last the default. A topic setting such as retention.ms
// has [Synonym]s among the settings of brokers (log.retention.ms, then
// log.retention.minutes, then log.retention.hours), which are the default of
// topics that do not set it. [Layers.Topic] and [Layers.Broker] are the only
// code that knows this order; [Broker] and [Topic] are typed views filled by
// them.
//
// # How to add a setting
//
//  1. Add the entry: a topic setting to topics.go, with its broker synonyms; a
//     setting of brokers only to brokers.go.
//  2. If code reads it, give it a field in [Broker] or [Topic] (view.go), in
//     the unit that its name or type says, and read that. What a broker started
//     with is in broker.Config; what counts at this moment, dynamic changes
//     included, is in Broker.Settings() in package broker, and is handed to
//     the parts in Broker.reconfigure.
//  3. Update says whether it may change at run time: [ClusterWide] or
//     [PerBroker] only if a change reaches the code that acts on it. AtRunTime
//     settings are not given at start, as with Kafka's dynamic-only ones.
//  4. Add its probe to broker/settings_test.go: set it to something that is not
//     the default and observe what changes. The test fails for a setting
//     without a probe.
//
// The package is pure: text in, values out, no clock and no I/O.
package config
