package bench

// Trend is what tells whether something grows.
var Trend = trend
