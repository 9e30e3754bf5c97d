import java.util.*;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.streams.*;
import org.apache.kafka.streams.kstream.*;

/**
 * Counts words with exactly_once_v2 until its input ends: java WordCount.java
 * HOST:PORT DIR. Each word of topic "lines" is a record of topic "counts", with how
 * often it has come so far.
 */
public class WordCount {
    public static void main(String[] args) throws Exception {
        Properties p = new Properties();
        p.put("bootstrap.servers", args[0]);
        p.put("state.dir", args[1]);
        p.put("application.id", "counter");
        p.put("processing.guarantee", "exactly_once_v2");
        p.put("commit.interval.ms", "100");
        p.put("num.stream.threads", "2");
        p.put("replication.factor", "3");
        p.put("statestore.cache.max.bytes", "0"); // each count is told
        p.put("consumer.auto.offset.reset", "earliest");
        p.put("default.key.serde", Serdes.StringSerde.class);
        p.put("default.value.serde", Serdes.StringSerde.class);
        StreamsBuilder b = new StreamsBuilder();
        b.<String, String>stream("lines").flatMapValues(line -> List.of(line.split(" "))).groupBy((key, word) -> word)
            .count(Materialized.as("counts-store")).toStream().mapValues(n -> n.toString()).to("counts");
        KafkaStreams s = new KafkaStreams(b.build(), p);
        s.setUncaughtExceptionHandler(e -> {
            System.out.println("failed: " + e);
            return org.apache.kafka.streams.errors.StreamsUncaughtExceptionHandler.StreamThreadExceptionResponse.REPLACE_THREAD;
        });
        s.setStateListener((now, before) -> System.out.println(now));
        s.start();
        while (System.in.read() >= 0) {}
        s.close(java.time.Duration.ofSeconds(20));
        System.exit(0);
    }
}
