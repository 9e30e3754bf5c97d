import java.time.Duration;
import java.util.*;
import org.apache.kafka.clients.consumer.*;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.*;

/**
 * Reads partition 0 of a topic to its end, once for each line of its input: java
 * Table.java HOST:PORT TOPIC. Of each record it says offset, key and value, and at
 * the end the position.
 */
public class Table {
    public static void main(String[] args) {
        Properties p = new Properties();
        p.put("bootstrap.servers", args[0]);
        p.put("auto.offset.reset", "none");
        p.put("isolation.level", "read_committed");
        p.put("max.partition.fetch.bytes", "2000");
        TopicPartition tp = new TopicPartition(args[1], 0);
        try (KafkaConsumer<String, String> c = new KafkaConsumer<>(p, new StringDeserializer(), new StringDeserializer()); Scanner in = new Scanner(System.in)) {
            c.assign(List.of(tp));
            while (in.hasNextLine()) {
                in.nextLine();
                c.seekToBeginning(List.of(tp));
                long end = c.endOffsets(List.of(tp)).get(tp);
                while (c.position(tp) < end) {
                    for (ConsumerRecord<String, String> r : c.poll(Duration.ofMillis(500))) {
                        System.out.println(r.offset() + " " + r.key() + " " + (r.value() == null ? "-" : r.value()));
                    }
                }
                System.out.println("end " + c.position(tp));
            }
        }
    }
}
