// Package campaign draws what came of many seeds: the summary on the terminal,
// the page of one campaign, its JUnit and Markdown forms for build servers, and
// the page of campaigns over time. It reads what package workloads/campaign
// wrote and runs nothing.
package campaign
