# A pod by kubeclient: create, watch, log, events, delete.
require 'kubeclient'

namespace, image = ARGV
context = Kubeclient::Config.read(ENV.fetch('KUBECONFIG')).context
client = Kubeclient::Client.new(context.api_endpoint, 'v1', ssl_options: context.ssl_options, auth_options: context.auth_options)

pods = client.get_pods(namespace: namespace)
puts "pods before: #{pods.size}"
client.create_pod(Kubeclient::Resource.new(
  metadata: { name: 'web', namespace: namespace, labels: { app: 'web' } },
  spec: {
    terminationGracePeriodSeconds: 0,
    containers: [{ name: 'main', image: image, command: ['sh', '-c', 'echo one; echo two; sleep 3600'] }]
  }
))

watcher = client.watch_pods(namespace: namespace, label_selector: 'app=web', resource_version: pods.resourceVersion)
phases = []
watcher.each do |notice|
  phase = notice.object.status.phase
  if phases.last != phase
    phases << phase
    puts "#{notice.type} #{notice.object.metadata.name} #{phase}"
  end
  watcher.finish if phase == 'Running'
end

lines = client.watch_pod_log('web', namespace)
seen = []
lines.each do |line|
  seen << line
  lines.finish if seen.size == 2
end
puts "followed: #{seen.join(' ')}"
puts "last line: #{client.get_pod_log('web', namespace, tail_lines: 1).body}"

events = client.watch_events(namespace: namespace, field_selector: 'involvedObject.name=web,reason=Started')
events.each do |notice|
  puts "event: #{notice.object.reason} #{notice.object.involvedObject.name}"
  events.finish
end

version = client.get_pods(namespace: namespace).resourceVersion
client.delete_pod('web', namespace)
gone = client.watch_pods(namespace: namespace, name: 'web', resource_version: version)
gone.each do |notice|
  next unless notice.type == 'DELETED'

  puts "DELETED #{notice.object.metadata.name}"
  gone.finish
end
begin
  client.get_pod('web', namespace)
rescue Kubeclient::ResourceNotFoundError => e
  puts "#{e.error_code} #{e.message}"
end
